"""What running code can learn of its own place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..context import frame

if TYPE_CHECKING:
    from ..attempts import Failure

__all__ = ["Current", "current"]


@dataclass(frozen=True)
class Current:
    """Where code stands; all None outside of a run.

    ``attempt`` is 1 at the first try. ``item`` is the index in a map. ``failure`` is what the
    previous attempt failed with. ``now`` is the time when the run was created (UTC): a resume
    repeats it, so an argument made from it is the same again.
    """

    run_id: str | None
    step: str | None
    call_id: str | None
    attempt: int | None
    item: int | None
    item_id: str | None
    failure: Failure | None
    now: datetime


def current() -> Current:
    """The run, step, attempt and item that the calling code is in.

    >>> current().run_id is None
    True
    """
    here = frame()
    run: Any = None
    if here is not None:
        run = here.run if here.run is not None else here.child
    created = run.created_at if run is not None else None
    if created is None:
        created = datetime.now(timezone.utc).timestamp()
    return Current(
        run_id=run.run_id if run is not None else None,
        step=here.step if here is not None else None,
        call_id=here.call_id if here is not None else None,
        attempt=(here.attempt or None) if here is not None else None,
        item=here.item if here is not None else None,
        item_id=here.item_id if here is not None else None,
        failure=here.failure if here is not None else None,
        now=datetime.fromtimestamp(created, timezone.utc),
    )
