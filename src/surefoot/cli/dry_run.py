"""``surefoot resume --dry-run``."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .out import complain, plain, render, table, took, write, write_json

if TYPE_CHECKING:
    from ..workflow.dry_run import DryRun

__all__ = ["tell_dry_run"]


def tell_dry_run(
    run_id: str, from_step: str | None, target: str | None, journal: str | None, as_json: bool
) -> int:
    """What a resume would do. Nothing runs, and nothing is written."""
    from ..errors import UsageError
    from ..runtime import Runtime, scrub
    from ..workflow.dry_run import foreseen
    from ..workflow.finding import specs_of
    from .finding import workflow_of
    from .running import program_output

    with contextlib.ExitStack() as stack:
        # absolute: the workflow may stand in another folder
        runtime = stack.enter_context(Runtime(Runtime(journal).path, create=False))
        record = runtime.journal.run(run_id)
        specs = None
        try:
            stack.enter_context(program_output(as_json))
            workflow = workflow_of(record.target, run_id, target, stack)
            specs = specs_of(workflow.__wrapped__)
        except UsageError as exc:
            if target is not None:
                raise
            complain(f"what its code says is not known: {exc}")
        found = foreseen(runtime.journal, record, specs, from_step)
    if as_json:
        write_json(scrub(found.as_dict()))
    else:
        write(plain(scrub(_told(found, from_step))))
    return 0


def _told(found: DryRun, from_step: str | None) -> str:
    from rich.text import Text

    head = f"run {found.run_id} of {found.workflow} is {found.status}; a resume would"
    if found.only_read:
        return f"{head} only read it: nothing would run"
    rows: list[tuple[str, str]] = []
    if found.superseded:
        rows.append(("set aside", _names(found.superseded)))
    rows += [
        ("reuse", _names(found.reused) or "nothing"),
        ("run again", _names(found.again) or "nothing that is recorded"),
    ]
    if found.replayed:
        rows.append(("raise again", f"{_names(found.replayed)} (failures that were caught)"))
    if found.aside:
        rows.append(("leave aside", _names(found.aside)))
    if found.newly_replayed:
        rows.append(("take up", f"{found.newly_replayed:,} replayed dead letters"))
    saved = f"{took(found.time_saved) or '0 s'}" + (
        f", ${found.cost_saved:.4g}" if found.cost_saved else ""
    )
    rows.append(("saves", saved))
    rows.append(("then", "go on with what the workflow has not come to yet"))
    parts: list[Any] = [Text(f"{head}:"), table(("", ""), rows, indent=2)]
    if found.effects:
        risky = [(one.step, one.key or "no key", one.state, one.then) for one in found.effects]
        parts += [Text(), table(("EFFECT", "KEY", "IS", "THEN"), risky)]
    return render(*parts)


def _names(counts: Mapping[str, int]) -> str:
    return ", ".join(
        name if number == 1 else f"{name} × {number:,}" for name, number in counts.items()
    )
