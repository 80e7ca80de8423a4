"""What goes through the pipes between a parent and its child: pickled messages behind their length.

Pickle is right here, and only here: both ends are one program of one user, the child runs the same
code that the parent would have run itself, and nobody else can write to the pipes. What is kept
(checkpoints, dead letters) never is one of these pickles.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["MAINS", "Message", "dumps", "loads", "receive", "send"]

Message = tuple[Any, ...]

MAINS = ("__main__", "__mp_main__")
"""Names of the program's first module: in the program itself, and in a child that has imported it."""

_HEAD = 8
_CHUNK = 1 << 20


class _Loader(pickle.Unpickler):
    """Finds the classes of the program's first module on both sides."""

    def __init__(self, data: bytes, main: Callable[[], ModuleType]) -> None:
        super().__init__(io.BytesIO(data))
        self._main = main

    def find_class(self, module: str, name: str) -> Any:
        if module not in MAINS:
            return super().find_class(module, name)
        found: Any = self._main()
        for part in name.split("."):
            found = getattr(found, part)
        return found


def dumps(value: Any) -> bytes:
    return pickle.dumps(value, protocol=5)


def loads(data: bytes, main: Callable[[], ModuleType]) -> Any:
    """:param main: gives the program's first module, imported when it is first needed."""
    return _Loader(data, main).load()


def _no_main() -> ModuleType:
    raise LookupError("a message holds plain values only")


def send(fd: int, message: Message) -> None:
    """Write one message, whole. The caller sees to it that nobody else writes meanwhile.

    :raises OSError: nobody reads any more.
    """
    data = dumps(message)
    view = memoryview(len(data).to_bytes(_HEAD, "big") + data)
    while view:
        view = view[os.write(fd, view[:_CHUNK]) :]


def receive(fd: int) -> Message | None:
    """The next message, or None where the other side is gone, in the middle of one too."""
    head = _exactly(fd, _HEAD)
    if head is None:
        return None
    data = _exactly(fd, int.from_bytes(head, "big"))
    if data is None:
        return None
    message: Message = loads(data, _no_main)
    return message


def _exactly(fd: int, count: int) -> bytes | None:
    parts, left = [], count
    while left:
        try:
            part = os.read(fd, min(left, _CHUNK))
        except OSError:
            return None
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
