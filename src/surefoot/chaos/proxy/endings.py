"""Toxics that end a connection: ``slow_close``, ``timeout``, ``reset_peer`` and ``limit_data``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .stages import Bytes, Stage, Timer

__all__ = ["LimitData", "ResetPeer", "SlowClose", "Timeout"]


class _Later(Stage):
    """Does one thing later, at most once."""

    _timer: Timer | None = None

    def _after(self, milliseconds: float, then: Callable[[], object]) -> None:
        loop = self.way.loop
        self._timer = loop.call_at(loop.time() + milliseconds / 1000, then)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class SlowClose(_Later):
    """The end of the stream comes ``delay`` ms late."""

    _ending = False

    def end(self) -> None:
        self._ending = True
        if self.attributes["delay"] > 0 and self._fire():
            self._after(self.attributes["delay"], self.release)
        else:
            self.release()

    def release(self) -> None:
        self.stop()
        if self._ending and not self.over:
            self.over = True
            self.next.end()


class Timeout(_Later):
    """Nothing passes, and after ``timeout`` ms the connection is closed; at 0 it stays open."""

    def start(self) -> None:
        if self.attributes["timeout"] > 0 and not self.over:
            self._after(self.attributes["timeout"], self._late)

    def feed(self, data: Bytes) -> None:
        if not self._fire():
            self.next.feed(data)  # else the bytes are gone

    def end(self) -> None:
        if not self.over:
            self.over = True
            self.next.end()

    def update(self, attributes: Mapping[str, Any]) -> None:
        super().update(attributes)
        self.stop()
        self.start()

    def release(self) -> None:
        """Bytes are missing by now: as in Toxiproxy the connection cannot go on."""
        self.stop()
        if not self.passing:
            self._close()

    def _late(self) -> None:
        if self._fire():
            self._close()


class ResetPeer(_Later):
    """``timeout`` ms after the first byte, or the end, both sides are torn down with a reset."""

    _dropped = False

    def feed(self, data: Bytes) -> None:
        if self._hold():
            self.next.feed(data)

    def end(self) -> None:
        if self._hold():
            self.next.end()

    def _hold(self) -> bool:
        """Begin to act, which drops what comes; True: it must pass."""
        if not self._fire():
            return True
        self._dropped = True
        if self._timer is None:
            self._after(self.attributes["timeout"], self._tear)
        return False

    def update(self, attributes: Mapping[str, Any]) -> None:
        super().update(attributes)
        if self._timer is not None:
            self.stop()
            self._hold()

    def release(self) -> None:
        self.stop()
        if self._dropped:
            self._close()

    def _tear(self) -> None:
        self.over = True
        self.way.reset()


class LimitData(Stage):
    """After ``bytes`` bytes the connection is closed."""

    passed = 0

    def feed(self, data: Bytes) -> None:
        if self.over:
            return
        left = max(0, self.attributes["bytes"] - self.passed)
        part = memoryview(data)[:left]
        self.passed += len(part)
        last = len(data) >= left
        if self.passing or (last and not self._fire()):
            self.next.feed(data)
            return
        if part:
            self.next.feed(part)
        if last:
            self._close()

    def end(self) -> None:
        if not self.over:
            self.over = True
            self.next.end()
