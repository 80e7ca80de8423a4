"""What a fault does when it acts.

An action gets the place and what is at hand there (the value that a body returned; None elsewhere),
and gives the value to go on with, raises, waits, or ends the process.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import UsageError
from .places import Place

__all__ = [
    "TRANSFORMS",
    "Action",
    "Delay",
    "Exhaust",
    "Exit",
    "Jump",
    "Kill",
    "Pause",
    "Raise",
    "Return",
    "system_error",
]


class Action(Protocol):
    """Something that goes wrong."""

    @property
    def words(self) -> str:
        """What it does, in a few words: it names the fault in tables and logs."""
        ...

    def act(self, place: Place, value: Any) -> Any:
        """Do it. The result takes the value's place."""
        ...


@dataclass(frozen=True)
class Raise:
    """Raise an exception, made anew each time.

    :param make: makes it; an exception that was raised before would carry old tracebacks.
    """

    make: Callable[[], BaseException]
    words: str = "an exception"

    def act(self, place: Place, value: Any) -> Any:
        raise self.make()


@dataclass(frozen=True)
class Kill:
    """End the process by a signal, as the OOM killer or a machine that goes away does."""

    number: int = signal.SIGKILL
    words: str = "SIGKILL"

    def act(self, place: Place, value: Any) -> Any:
        os.kill(os.getpid(), self.number)
        return value  # SIGTERM is handled by whoever handles it


@dataclass(frozen=True)
class Pause:
    """Stop the process until somebody continues it, as a machine does that is moved or swaps."""

    words: str = "SIGSTOP"

    def act(self, place: Place, value: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSTOP)
        return value


@dataclass(frozen=True)
class Exit:
    """End the process at once, without clean-up, as ``os._exit`` in native code does."""

    code: int = 1
    words: str = "os._exit"

    def act(self, place: Place, value: Any) -> Any:
        os._exit(self.code)


@dataclass(frozen=True)
class Delay:
    """Let time pass.

    :param seconds: how long. :param sleep: waits; a played clock's ``sleep`` in tests.
    """

    seconds: float
    sleep: Callable[[float], Any]
    words: str = "a delay"

    def act(self, place: Place, value: Any) -> Any:
        self.sleep(self.seconds)
        return value


@dataclass(frozen=True)
class Exhaust:
    """Use up memory until the system refuses, for real: the process may have ``headroom`` bytes more
    than it has (RLIMIT_AS; Linux), and asks for more than that."""

    headroom: int = 64 * 1024 * 1024
    words: str = "out of memory"

    def act(self, place: Place, value: Any) -> Any:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        taken: list[bytearray] = []
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + self.headroom, hard))
        try:
            while True:
                taken.append(bytearray(self.headroom // 4))
        finally:
            taken.clear()
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes of address space that this process has. :raises OSError: not on this system."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Jump:
    """Set the wall clock forward, or back.

    :param by: seconds. :param jump: does it: a played clock's method.
    """

    by: float
    jump: Callable[[float], Any]
    words: str = "the clock jumps"

    def act(self, place: Place, value: Any) -> Any:
        self.jump(self.by)
        return value


@dataclass(frozen=True)
class Return:
    """Have another value returned.

    :param change: makes it from the real one.
    """

    change: Callable[[Any], Any]
    words: str = "another value"

    def act(self, place: Place, value: Any) -> Any:
        return self.change(value)

    def is_vain(self, value: Any) -> bool:
        """Whether it would change nothing, as emptying what is empty: then it is no fault.

        >>> Return(lambda value: value[:1]).is_vain("a"), Return(str).is_vain(1)
        (True, False)
        """
        changed = self.change(value)
        try:
            return changed is value or (type(changed) is type(value) and bool(changed == value))
        except Exception:  # arrays have no truth, other values no comparison
            return False


def system_error(name: str) -> Raise:
    """An ``OSError`` of the operating system: ``ENOSPC``, ``EIO``, ``EMFILE`` …

    :raises UsageError: there is no such error.

    >>> system_error("ENOSPC").make().errno == errno.ENOSPC
    True
    """
    number = getattr(errno, name, None)
    if number is None:
        raise UsageError(f"{name!r} is no error of the system; give its name, such as ENOSPC")
    return Raise(lambda: OSError(number, os.strerror(number)), words=name)


def _cut(value: Any) -> Any:
    """The first half: what a stream that broke off, or a spent output limit, leaves."""
    if isinstance(value, (str, bytes, list, tuple)):
        return value[: len(value) // 2]
    if isinstance(value, dict):
        return dict(list(value.items())[: len(value) // 2])
    return None


def _emptied(value: Any) -> Any:
    return type(value)() if isinstance(value, (str, bytes, list, tuple, dict, set)) else None


def _retyped(value: Any) -> Any:
    return [value] if isinstance(value, str) else str(value)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "truncated": _cut,
    "empty": _emptied,
    "none": lambda value: None,
    "wrong_type": _retyped,
}
"""What a returned value can be turned into, by name."""
