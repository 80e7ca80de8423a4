"""A proxy's toxics, in the order in which they were added, and on which connections they act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .answering import HttpStatusStage
from .corruption import Corrupt
from .delays import Bandwidth, Latency, Slicer
from .endings import LimitData, ResetPeer, SlowClose, Timeout
from .firing import chance_for
from .link import Connection, Link
from .stages import Stage
from .toxics import Kind

__all__ = ["Chain", "Toxic"]

STAGES: Mapping[str, type[Stage]] = {
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
    "noop": Stage,
    "http_status": HttpStatusStage,
    "corrupt": Corrupt,
}


class Toxic:
    """One toxic of a proxy.

    ``fired`` counts the connections that it has acted on, ``acted`` those since its ``first_n`` was
    set; ``since`` is the number of the first connection that came after it was added.
    """

    def __init__(
        self, name: str, kind: Kind, stream: str, toxicity: float, attributes: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.kind = kind
        self.stream = stream
        self.toxicity = toxicity
        self.attributes = dict(attributes)
        self.fired = 0
        self.acted = 0
        self.since = 0

    def document(self) -> dict[str, Any]:
        """As the API shows it; ``fired`` is Surefoot's own."""
        return {
            "attributes": dict(self.attributes),
            "name": self.name,
            "type": self.kind.name,
            "stream": self.stream,
            "toxicity": self.toxicity,
            "fired": self.fired,
        }

    @property
    def first_n(self) -> int | None:
        return self.attributes.get("first_n")

    @property
    def spent(self) -> bool:
        """Whether it has acted on as many connections as it may."""
        return self.first_n is not None and self.acted >= self.first_n


class Chain:
    """All toxics of one proxy.

    Whether a toxic acts on a connection depends on nothing but the seed, the proxy's name, its own
    name, and which connection it is, counted from when it was added. Those that were open already
    have numbers below 0: one that is just closing does not shift the others.
    """

    def __init__(self, seed: int, proxy: str) -> None:
        self._seed = seed
        self._proxy = proxy
        self.toxics: list[Toxic] = []

    def find(self, name: str) -> Toxic | None:
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    def shown(self) -> list[dict[str, Any]]:
        """Upstream first, as Toxiproxy lists them."""
        ordered = sorted(self.toxics, key=lambda toxic: toxic.stream != "upstream")
        return [toxic.document() for toxic in ordered]

    def add(self, toxic: Toxic, since: int, open_ones: Iterable[Connection]) -> None:
        toxic.since = since
        self.toxics.append(toxic)
        for connection in open_ones:
            self._decide(toxic, connection)

    def update(
        self,
        toxic: Toxic,
        toxicity: float,
        attributes: Mapping[str, Any],
        open_ones: Iterable[Connection],
    ) -> None:
        afresh = attributes.get("first_n") != toxic.first_n
        toxic.toxicity, toxic.attributes = toxicity, dict(attributes)
        if afresh:
            toxic.acted = 0
        for connection in open_ones:
            stage = connection.links[toxic.stream].stage_of(toxic)
            if stage is not None:
                if afresh:
                    stage.afresh()
                stage.update(toxic.attributes)
            self._decide(toxic, connection)  # the same dice, held against the new chance

    def remove(self, toxic: Toxic, open_ones: Iterable[Connection]) -> None:
        self.toxics.remove(toxic)
        for connection in open_ones:
            connection.links[toxic.stream].remove(toxic)

    def dress(self, connection: Connection) -> None:
        """Give a new connection the toxics that act on it."""
        for toxic in self.toxics:
            self._decide(toxic, connection)

    def _decide(self, toxic: Toxic, connection: Connection) -> None:
        number = connection.number - toxic.since
        chance = chance_for(self._seed, self._proxy, toxic.name, number)
        acts = chance(0, 1) < toxic.toxicity
        link = connection.links[toxic.stream]
        there = link.stage_of(toxic) is not None
        if acts and not there:
            stage = STAGES[toxic.kind.name](toxic.attributes, link, chance)
            link.insert(self._place(toxic, link), toxic, stage, running=connection.running)
        elif there and not acts:
            link.remove(toxic)

    def _place(self, toxic: Toxic, link: Link) -> int:
        """Where it stands among those of this link, so that the order is the order of adding."""
        before = self.toxics[: self.toxics.index(toxic)]
        return sum(one in before for one, _ in link.stages)
