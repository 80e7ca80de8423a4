"""``surefoot recover``: every run whose process died goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .app import CTRL_C, Stopped
from .options import command_options, examples
from .out import complain, counted, took, write, write_json

if TYPE_CHECKING:
    import subprocess
    from types import FrameType

    from ..journal import Journal, RunRecord

__all__ = ["recover"]

LOCKED = 4


@click.command(
    epilog=examples(
        "surefoot recover",
        "surefoot recover --json --journal /srv/shop/.surefoot/journal.db",
    )
)
@command_options
def recover(journal: str | None, as_json: bool) -> int:
    """Go on with every run whose process died, one after another; a rollback as a rollback.

    Halted and interrupted runs wait for a person. Each run gets a process of its own, in the folder
    that it was started in, so that one that kills its process again does not stop the others. Ends
    with 0 if all completed.
    """
    from ..runtime import Runtime
    from .plain import holder_of

    with Runtime(journal, create=False) as runtime:
        found = runtime.journal
        dead = [
            record
            for record in found.unfinished()
            if (holder_of(record, found.clock.now()) or {}).get("alive") is False
        ]
        told = []
        for record in dead:
            one = _recovered(found, record)
            told.append(one)
            if not as_json:
                _tell(one)
        waiting = [] if as_json else found.runs(status=("halted", "interrupted"))
    if as_json:
        write_json({"runs": told})
    else:
        if not told:
            write("there is no run whose process died")
        _tell_of_waiting(waiting, {one["run_id"] for one in told})
    return 0 if all(_is_well(one) for one in told) else 1


def _is_well(one: dict[str, Any]) -> bool:
    if one["status"] == "rolled_back":
        return not one["undone"].keys() & {"failed", "in_doubt"}
    return one["status"] in ("completed", "taken")


def _recovered(journal: Journal, before: RunRecord) -> dict[str, Any]:
    """Go on with one run in a child; gives what became of it."""
    from collections import Counter

    from ..journal.undo import compensations
    from ..workflow.run import short_error

    # whoever goes on with a rollback goes on as a rollback
    words = "rollback" if before.status == "rolling_back" else "resume"
    exit_code, output = _go_on(words, before, journal.store.location)
    after = journal.run(before.run_id)
    told: dict[str, Any] = {
        "run_id": after.run_id,
        "workflow": after.workflow,
        "status": after.status,
        "reused": after.reused,
        "time_saved": after.time_saved,
        "error": short_error(after.error),
    }
    if exit_code == LOCKED:
        # someone else was quicker, which is as good
        return {**told, "status": "taken"}
    if after.status == "rolled_back":
        undone = compensations(journal.store, after.pk)
        told["undone"] = dict(Counter(one.state for one in undone))
    elif after.status not in ("completed", "halted") and told["error"] is None:
        told["error"] = _why(exit_code, output)
    return told


def _why(exit_code: int, output: str) -> dict[str, Any]:
    import json

    with contextlib.suppress(ValueError, KeyError, TypeError):
        error: dict[str, Any] = json.loads(output)["error"]
        return {"type": error["type"], "message": error["message"]}
    if exit_code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-exit_code).name
            return {"type": "ProcessCrashed", "message": f"its process died again ({name})"}
    return {"type": "ProcessCrashed", "message": f"its process ended with {exit_code}"}


def _go_on(words: str, record: RunRecord, location: str) -> tuple[int, str]:
    """``surefoot resume`` or ``rollback`` in a child, which gets our signals; its exit code and output."""
    import json
    import subprocess

    folder = (json.loads(record.target) if record.target else {}).get("cwd")
    command = [sys.executable, "-m", "surefoot", words, record.run_id, "--json"]
    child = subprocess.Popen(
        [*command, "--journal", location],
        cwd=folder if folder is not None and os.path.isdir(folder) else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        # a terminal's Ctrl-C reaches it through us, and so only once
        start_new_session=True,
    )
    with _passing_on(child) as came:
        output, _ = child.communicate()
    if came:
        complain(f"stopped while run {record.run_id} went on; the next recover finds it")
        raise Stopped(came[0])
    return child.returncode, output


@contextlib.contextmanager
def _passing_on(child: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Signals go to the child, whose end is then awaited; gives the exit codes they stand for."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(CTRL_C if number == signal.SIGINT else 128 + number)
        child.send_signal(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    old = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if old[number] is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        yield came
    finally:
        for number, handler in old.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _tell(one: dict[str, Any]) -> None:
    line = f"run {one['run_id']} of {one['workflow']}: {one['status']}"
    if one["status"] == "taken":
        line = f"run {one['run_id']} of {one['workflow']}: another process went on with it"
    if one["reused"]:
        line += f"; {counted(one['reused'], 'result')} reused, {took(one['time_saved'])} saved"
    if "undone" in one:
        line += f"; {_undone(one['undone']) or 'there was nothing to undo'}"
        line += "" if _is_well(one) else f"; see: surefoot show {one['run_id']}"
    elif one["status"] == "halted" and one["error"]:
        line += f" by {one['error']['type']} ({one['error'].get('kind')})"
        line += f"; see: surefoot show {one['run_id']}"
    elif one["error"]:
        line += f"; {one['error']['message']}"
    write(line)


def _undone(states: dict[str, int]) -> str:
    words = {"done": "undone", "kept": "kept", "failed": "not undone", "in_doubt": "in doubt"}
    return ", ".join(f"{number} {words.get(state, state)}" for state, number in states.items())


def _tell_of_waiting(records: list[RunRecord], told: set[str]) -> None:
    left = [record for record in records if record.run_id not in told]
    for status in ("halted", "interrupted"):
        number = sum(record.status == status for record in left)
        if number:
            verb = "waits" if number == 1 else "wait"
            write(
                f"{counted(number, f'{status} run')} {verb} for a person: "
                f"surefoot runs --status {status}"
            )
