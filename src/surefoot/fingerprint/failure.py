"""The fingerprint of a failure: the same for the same failure in another run.

Made of the kind, the class, the code, the user's own functions on the stack (without line numbers,
which every edit moves) and the step. The message counts only where there are no such functions, and
without what differs from case to case: numbers, ids, addresses, paths. Whether a file is run as a
script, with ``-m``, by ``surefoot run`` or imported, which Python runs it and whether a step is
isolated makes no difference.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from types import FrameType, ModuleType, TracebackType
from typing import Any

__all__ = ["VERSION", "OwnFrames", "fingerprint", "normalised"]

VERSION = "v2"
"""Changes with the recipe, so that incidents of two recipes are never mixed up.

v2: a script's functions and classes have the names that they have when it is imported; methods of an
isolated step have no class in front, as in its own process; more of a message is left out.
"""

_FRAMES_WALKED = 2_000
_FRAMES_KEPT = 24
_LABELS_KEPT = 10_000
_TEXT_KEPT = 300
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
# Up to Python 3.11 a comprehension is a frame of its own, from 3.12 on it is not.
_NO_FUNCTIONS = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,32}")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_PATHS = (
    re.compile(r"(?:[A-Za-z]:|[\w.~-]{1,100})?(?:[\\/][^\s'\"\\/:,;)]{1,200}){2,50}"),
    re.compile(r"[\w.~-]{0,100}[\\/][\w-]{1,100}\.\w{1,8}\b"),  # with an extension
)
_TEMPORARY = re.compile(r"\btmp[a-z0-9_]{8}\b")  # as tempfile makes them, with digits or without
_DIGIT = re.compile(r"\d")
_WITH_DIGITS = (
    re.compile(r"\b(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{12,200}\b"),
    re.compile(r"\b(?=\d{0,10}[a-f])(?=[a-f]{0,10}\d)[0-9a-f]{6,11}\b"),
    re.compile(r"\b(?=[A-Za-z_]{0,40}\d{1,40}[A-Za-z_]{1,40}\d)[A-Za-z0-9_]{5,200}\b"),
    re.compile(r"[-+]?\d{1,300}(?:[.,:]\d{1,300}){0,300}(?:[eE][-+]?\d{1,5})?"),
)
_MAINS = ("__main__", "__mp_main__")
_ALIASES = {
    # one class under two names before Python 3.11
    "asyncio.exceptions.TimeoutError": "builtins.TimeoutError",
    "concurrent.futures._base.TimeoutError": "builtins.TimeoutError",
}
_OURS = "surefoot.errors."
_MODULE_FILE = re.compile(r"[^\W\d][\w.-]{0,200}")


def fingerprint(
    kind: str,
    type_name: str,
    code: str = "",
    frames: Sequence[str] = (),
    step: str | None = None,
    message: str = "",
) -> str:
    """The fingerprint, such as ``v2-5f2a…`` (16 hex digits).

    :param type_name: qualified name of the class that decided.
    :param code: what the failure was recognised by besides: a status, an errno, a provider's code.
    :param frames: ``module:function`` of the user's own code, outermost first.
    :param message: used only if there are no frames; those of Surefoot's own errors name runs and
        keys as the user chose them, and never count.

    >>> one = fingerprint("timeout", "httpx.ReadTimeout", message="took 31.2 s")
    >>> one == fingerprint("timeout", "httpx.ReadTimeout", message="took 29.9 s")
    True
    """
    last = "\x1e".join(frames)
    if not frames and not type_name.startswith(_OURS):
        last = normalised(message)
    text = "\x1f".join((kind, _class_at_home(type_name), code, last, step or ""))
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{VERSION}-{digest[:16]}"


def normalised(message: str) -> str:
    """``message`` without what differs from case to case.

    >>> normalised("file /data/in/17.csv: row 3 of 0x7f3a")
    'file <path>: row # of #'
    """
    # A pattern goes through the whole text; whether it can be found there at all, a look for a
    # character tells a hundred times as fast (the two for paths took half of a fingerprint's time).
    text = message[:_TEXT_KEPT]
    if "@" in text:
        text = _ADDRESS.sub("#", text)
    if "0x" in text:
        text = _HEX.sub("#", text)
    if "-" in text:
        text = _UUID.sub("#", text)
    if "/" in text or "\\" in text:
        for pattern in _PATHS:
            text = pattern.sub("<path>", text)
    if "tmp" in text:
        text = _TEMPORARY.sub("#", text)
    if _DIGIT.search(text):
        for pattern in _WITH_DIGITS:
            text = pattern.sub("#", text)
    return " ".join(text.split())


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
        # the stand-ins for an isolated step's frames have qualified names, real frames have not
        function = function.rpartition(".")[2]
        if function in _NO_FUNCTIONS or not self.is_own(filename):
            return ""
        module = frame.f_globals.get("__name__")
        if module is None or module in _MAINS or _by_file(module) == filename:
            module = _module_of(filename)
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


def _module_of(filename: str) -> str:
    """The name that a file has when it is imported; ``__main__`` for a console's or a notebook's cell.

    >>> _module_of("/srv/pipeline.py"), _module_of("<stdin>"), _module_of("/tmp/ipykernel_7/81.py")
    ('pipeline', '__main__', '__main__')
    """
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)  # of `python -m`
    if spec is not None and filename == getattr(main, "__file__", None):
        return str(spec.name)
    folder, file = os.path.split(filename)
    name = os.path.splitext(file)[0]
    if not _MODULE_FILE.fullmatch(name):
        return "__main__"
    parts = [name]
    while os.path.isfile(os.path.join(folder, "__init__.py")) and len(parts) < 20:
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    return ".".join(parts)


def _by_file(module: Any) -> Any:
    """The file of a module that ``surefoot run FILE`` imported: it has its file's name, without its
    package, or another one where that is taken."""
    found = sys.modules.get(module) if isinstance(module, str) else None
    # not getattr: a module that loads lazily would begin to
    return found.__dict__.get("__surefoot_file__") if type(found) is ModuleType else None


def _class_at_home(type_name: str) -> str:
    """The qualified name that a class has when its module is imported, in every Python.

    >>> _class_at_home("asyncio.exceptions.TimeoutError")
    'builtins.TimeoutError'
    """
    head, dot, rest = type_name.partition(".")
    file = _by_file(head)
    if file is None and head in _MAINS:
        file = getattr(sys.modules.get(head), "__file__", None)
    if isinstance(file, str):
        return f"{_module_of(file)}{dot}{rest}"
    return _ALIASES.get(type_name, type_name)
