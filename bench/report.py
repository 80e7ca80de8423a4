"""One line a measure: the figure, its floor, their ratio, the aim, and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measure; one without an aim is there for comparison."""

    what: str
    figure: float
    unit: str
    ratio: float
    floor_name: str
    floor: float
    aim: str
    met: bool

    def line(self) -> str:
        mark = ("met   " if self.met else "MISSED") if self.aim else "      "
        return (
            f"{mark} {self.what}: {self.figure:,.3g} {self.unit} "
            f"[{self.ratio:.3g} × {self.floor_name}: {self.floor:,.3g}]"
            f"{'; aim ' + self.aim if self.aim else ''}"
        )
