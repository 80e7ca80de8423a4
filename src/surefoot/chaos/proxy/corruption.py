"""``corrupt``: bytes arrive that were never sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...clock import Chance
from .stages import Bytes, Stage, Way

__all__ = ["Corrupt"]


class Corrupt(Stage):
    """Turns over all bits of the byte at ``offset``, and of each byte with ``probability``.

    Which bytes these are depends on the dice and their place in the stream, not on how it is cut.
    """

    def __init__(self, attributes: Mapping[str, Any], way: Way, chance: Chance) -> None:
        super().__init__(attributes, way, chance)
        self._seen = 0
        self._hit = self._gap() - 1

    def _gap(self) -> float:
        """Bytes up to and with the next one that is hit: geometric, so that one roll is enough."""
        p = self.attributes["probability"]
        if p <= 0:
            return math.inf
        if p >= 1:
            return 1
        return math.floor(math.log(1 - self.chance(0, 1)) / math.log(1 - p)) + 1

    def feed(self, data: Bytes) -> None:
        start, stop = self._seen, self._seen + len(data)
        self._seen = stop
        hits = []
        while self._hit < stop:
            hits.append(int(self._hit))
            self._hit += self._gap()
        offset = self.attributes["offset"]
        if start <= offset < stop and offset not in hits:
            hits.append(offset)
        if hits and self._fire():
            data = bytearray(data)
            for hit in hits:
                data[hit - start] ^= 0xFF
        self.next.feed(data)

    def update(self, attributes: Mapping[str, Any]) -> None:
        super().update(attributes)
        self._hit = self._seen + self._gap() - 1
