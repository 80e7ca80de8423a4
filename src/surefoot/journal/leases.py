"""Who holds a run, and whether that process is still alive.

On one host a process is told apart by boot id, pid namespace, pid and start time, so that its death
frees its runs at once and a reused pid fools nobody. For another host only the lease's expiry counts.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from ..policy.incidents import DAY

__all__ = ["Lease", "Owner"]


@dataclass(frozen=True)
class Owner:
    """A process. ``host`` is its boot's id, ``start`` its start time in clock ticks since boot."""

    host: str
    namespace: str
    pid: int
    start: str
    name: str

    @classmethod
    def this(cls) -> Owner:
        """The calling process."""
        pid = os.getpid()
        return cls(_boot(), _namespace(), pid, _started(pid) or "", _host())

    @classmethod
    def parse(cls, text: str) -> Owner:
        """The owner that :meth:`dump` told of; of a text that was damaged, one that nobody knows."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls("?", "?", 0, "?", "an unreadable host")

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    def alive(self) -> bool | None:
        """Whether it lives; None where this host cannot know."""
        if self.host != _boot() or self.namespace != _namespace():
            return None
        started = _started(self.pid)
        if started is not None:
            return started == self.start
        if sys.platform == "linux":
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.name}"


class Lease:
    """A hold on one run: its fencing token goes into every write.

    ``lost`` is set once another process holds the run, ``cancelled`` once a stop was asked for.
    ``regression_after`` (seconds) is what its failures need to know of incidents.
    """

    __slots__ = ("cancelled", "fence", "lost", "regression_after", "run_id", "run_pk")

    def __init__(self, run_pk: int, run_id: str, fence: int, regression_after: float = DAY) -> None:
        self.run_pk = run_pk
        self.run_id = run_id
        self.fence = fence
        self.regression_after = regression_after
        self.lost = False
        self.cancelled = False


def _host() -> str:
    try:
        return os.uname().nodename
    except AttributeError:  # Windows has no uname
        return os.environ.get("COMPUTERNAME", "this host")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{sys.platform}:{_host()}"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """A process's start time, or None where there is none (or no /proc)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # the second field is the program's name and may hold spaces and parentheses
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]
