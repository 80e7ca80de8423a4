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
    """One toxic of a proxy. ``fired`` counts the connections that it has acted on."""

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
        self._seen = 0

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

    def afresh(self) -> None:
        """Count connections from 0 again: its chance or its ``first_n`` has changed."""
        self._seen = self.acted = 0

    def next_number(self) -> int:
        """The number of a connection that it sees now, from 0 on."""
        self._seen += 1
        return self._seen - 1


class Chain:
    """All toxics of one proxy. What a toxic does depends on nothing but the seed, the proxy's name,
    its own name, and how many connections it saw before."""

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

    def add(self, toxic: Toxic, open_ones: Iterable[Connection]) -> None:
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
        rolls_again = (toxicity, attributes.get("first_n")) != (
            toxic.toxicity,
            toxic.attributes.get("first_n"),
        )
        toxic.toxicity, toxic.attributes = toxicity, dict(attributes)
        if rolls_again:
            toxic.afresh()
        for connection in open_ones:
            stage = connection.links[toxic.stream].stage_of(toxic)
            if stage is not None:
                stage.update(toxic.attributes)
            if rolls_again:
                self._decide(toxic, connection)

    def remove(self, toxic: Toxic, open_ones: Iterable[Connection]) -> None:
        self.toxics.remove(toxic)
        for connection in open_ones:
            connection.links[toxic.stream].remove(toxic)

    def dress(self, connection: Connection) -> None:
        """Give a new connection the toxics that act on it."""
        for toxic in self.toxics:
            self._decide(toxic, connection)

    def _decide(self, toxic: Toxic, connection: Connection) -> None:
        number = toxic.next_number()
        chance = chance_for(self._seed, self._proxy, toxic.name, number)
        acts = chance(0, 1) < toxic.toxicity
        first_n = toxic.attributes.get("first_n")
        # http_status counts the requests that it has answered, and does so itself
        if first_n is not None and toxic.kind.name != "http_status":
            acts = acts and number < first_n
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
