"""A flow run whose process died: Prefect believes that it runs, our journal knows better."""

from __future__ import annotations

from pathlib import Path

from ...errors import RunLocked, UsageError
from ...journal.origin import Origin
from ...journal.runs import holder_of
from ...runtime import Runtime
from .pages import loaded

__all__ = ["release"]


def release(run_id: str, *, journal: str | Path | None = None) -> str:
    """Tell Prefect that a flow run has crashed, where its process is dead. Then Prefect can retry it.

    Prefect leaves such a run in ``Running`` for good (prefect#16746), and refuses to retry it.

    :param run_id: in our journal, ``prefect-…``. :param journal: as for :func:`flow`.
    :returns: the flow run's id, for ``prefect flow-run retry``.
    :raises UnknownRun: there is none. :raises RunLocked: its process lives.
    :raises UsageError: it is no run of Prefect's, or does not say that it is running.
    """
    with Runtime(journal=journal, create=False) as runtime:
        record = runtime.journal.run(run_id)
        origin = Origin.parse(record.origin) if record.origin else None
        if origin is None or origin.tool != "prefect":
            raise UsageError(
                f"run {run_id} is not at home in Prefect; resume it with: surefoot resume"
            )
        holder = holder_of(record, runtime.clock.now())
        if holder is None:
            raise UsageError(
                f"run {run_id} is {record.status}, so Prefect knows of its end; retry it with: "
                f"prefect flow-run retry {origin.ids['flow_run_id']}"
            )
        if holder["alive"] is not False:
            raise RunLocked(f"run {run_id} is held by {holder['process']}; wait for it, or stop it")
    loaded()
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    found = origin.ids["flow_run_id"]
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(found, Crashed(message="surefoot: its process died"), force=True)
    return found
