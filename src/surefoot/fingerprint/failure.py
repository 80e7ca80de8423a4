"""The fingerprint of a failure: the same for the same failure in another run.

Made of the kind, the class, the code, the user's own functions on the stack (without line numbers,
which every edit moves) and the step. The message counts only where there are no such functions, and
without what differs from case to case: numbers, ids, addresses, paths.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from types import FrameType, TracebackType

__all__ = ["VERSION", "OwnFrames", "fingerprint", "normalised"]

VERSION = "v1"
"""Changes with the recipe, so that incidents of two recipes are never mixed up."""

_FRAMES_WALKED = 2_000
_FRAMES_KEPT = 24
_LABELS_KEPT = 10_000
_TEXT_KEPT = 300
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
# Up to Python 3.11 a comprehension is a frame of its own, from 3.12 on it is not.
_NO_FUNCTIONS = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_VARYING = (
    (re.compile(r"0x[0-9a-fA-F]{1,32}"), "#"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "#"),
    (re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s'\"\\/:,;)]{1,200}){2,50}"), "<path>"),
    (re.compile(r"\b(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{12,200}\b"), "#"),
    (re.compile(r"\d+"), "#"),
    (re.compile(r"\s+"), " "),
)


def fingerprint(
    kind: str,
    type_name: str,
    code: str = "",
    frames: Sequence[str] = (),
    step: str | None = None,
    message: str = "",
) -> str:
    """The fingerprint, such as ``v1-5f2a…`` (16 hex digits).

    :param type_name: qualified name of the class that decided.
    :param code: what the failure was recognised by besides: a status, an errno, a provider's code.
    :param frames: ``module:function`` of the user's own code, outermost first.
    :param message: used only if there are no frames.

    >>> one = fingerprint("timeout", "httpx.ReadTimeout", message="took 31.2 s")
    >>> one == fingerprint("timeout", "httpx.ReadTimeout", message="took 29.9 s")
    True
    """
    last = normalised(message) if not frames else "\x1e".join(frames)
    text = "\x1f".join((kind, type_name, code, last, step or ""))
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{VERSION}-{digest[:16]}"


def normalised(message: str) -> str:
    """``message`` without what differs from case to case.

    >>> normalised("file /data/in/17.csv: row 3 of 0x7f3a")
    'file <path>: row # of #'
    """
    text = message[:_TEXT_KEPT]
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return text.strip()


class OwnFrames:
    """Tells the user's own frames from those of Python, of installed packages and of Surefoot."""

    def __init__(self) -> None:
        # sysconfig would know too, but needs milliseconds to be imported
        python = os.path.dirname(os.path.abspath(os.__file__))
        surefoot = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self._foreign = (os.path.join(python, ""), os.path.join(surefoot, ""))
        self._labels: dict[tuple[str, str], str] = {}

    def __call__(self, traceback: TracebackType | None) -> tuple[str, ...]:
        """``module:function`` of the user's own frames, outermost first, each once.

        >>> try:
        ...     raise OSError
        ... except OSError as exc:
        ...     len(OwnFrames()(exc.__traceback__))
        1
        """
        found: dict[str, None] = {}
        labels = self._labels
        walked = 0
        while type(traceback) is TracebackType and walked < _FRAMES_WALKED:
            frame = traceback.tb_frame
            code = frame.f_code
            key = (code.co_filename, code.co_name)
            label = labels.get(key)
            if label is None:
                label = self._label(frame)
                if len(labels) < _LABELS_KEPT and key[0][:1] != "<":  # many modules are "<string>"
                    labels[key] = label
            if label:
                found[label] = None
            traceback = traceback.tb_next
            walked += 1
        return tuple(found)[-_FRAMES_KEPT:]

    def _label(self, frame: FrameType) -> str:
        """``module:function``; empty for a frame that is not the user's."""
        filename, function = frame.f_code.co_filename, frame.f_code.co_name
        if function in _NO_FUNCTIONS or not self.is_own(filename):
            return ""
        module = frame.f_globals.get("__name__")
        if module is None or module == "__main__":
            # run as a script or imported: the same function all the same
            module = os.path.splitext(os.path.basename(filename))[0]
        return f"{module}:{function}"

    def is_own(self, filename: str) -> bool:
        """Whether code of this file belongs to the user.

        >>> OwnFrames().is_own("/home/ada/pipeline.py"), OwnFrames().is_own("<frozen os>")
        (True, False)
        """
        if filename.startswith("<frozen "):
            return False
        return not filename.startswith(self._foreign) and not any(
            part in filename for part in _INSTALLED
        )
