"""Where faults act: the seams, and what is known of the place when one is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["SEAMS", "Place", "Seam"]

Seam = Literal["before", "after", "value", "write", "http"]
"""``before`` the body; ``after`` the body and before its record; the ``value`` that it returned; a
``write`` of the journal (event ``before``, ``inside`` or ``after`` its commit); a request over
``http``."""

SEAMS: tuple[Seam, ...] = get_args(Seam)


@dataclass(frozen=True)
class Place:
    """Where the code stands as a seam is reached; what does not apply is None.

    ``attempt`` is 1 for the first. ``event`` is the moment of a write, or an HTTP request as
    ``"POST https://host/path"``. ``arguments`` are those of the body, by position and by name.
    """

    seam: Seam
    run_id: str | None = None
    step: str | None = None
    stage: str | None = None
    form: str | None = None
    call_id: str | None = None
    attempt: int | None = None
    item: int | None = None
    event: str | None = None
    arguments: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        item = f"[{self.item}]" if self.item is not None else ""
        step = f"{self.step}{item}, attempt {self.attempt}" if self.step is not None else "the run"
        return f"{self.seam} {step}" + (f" ({self.event})" if self.event else "")
