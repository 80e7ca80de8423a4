"""What children of the crash tests do: a run that halts, then its alerts are written and sent, and the
process kills itself at one of the journal's writes, or when a message is on its way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surefoot import Runtime, on, step, workflow
from surefoot.config import Config
from surefoot.store.base import Op
from surefoot.store.sqlite import SqliteStore


@step(name="load", recover=[on("connection").retry(attempts=2, base=0)])
def load() -> None:
    raise ConnectionRefusedError(111, "refused")


@workflow(name="job")
def job() -> None:
    load()


def warm_up() -> None:
    import apprise

    assert apprise.Apprise.instantiate("json://127.0.0.1/x") is not None


def _open(journal: str, url: str) -> Runtime:
    config = Config(
        alerts={"sinks": {"ops": {"url": url}}, "rules": [{"on": ["failure", "halted"]}]}
    )
    return Runtime(Path(journal), durability="process", config=config)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halt(journal: str, url: str) -> None:
    """Only the run, without a thread of alerts: its process dies before anything is told."""
    config = Config()
    runtime = _open(journal, url)
    assert runtime.alerting is not None
    from surefoot.observe.alerts.teller import Teller

    teller = Teller(runtime.alerting.setting)
    runtime.journal
    teller.evaluate()  # alerts begin
    teller.close()
    with Runtime(Path(journal), durability="process", config=config):
        job.with_options(run_id="r1").start()


def tell(journal: str, url: str, at: int = 0, when: str = "before") -> int:
    """Evaluate and send; killed around the ``at``-th write. Gives how many writes there were."""
    from surefoot.observe.alerts.teller import Teller, post

    runtime = _open(journal, url)
    runtime.journal
    writes = 0
    transact = SqliteStore.transact

    def counted(self: SqliteStore, ops: Sequence[Op]) -> list[Any]:
        nonlocal writes
        writes += 1
        if writes == at and when == "before":
            die()
        found = transact(self, ops)
        if writes == at and when == "after":
            die()
        return found

    SqliteStore.transact = counted  # type: ignore[method-assign]
    assert runtime.alerting is not None
    ended = threading.Event()
    teller = Teller(runtime.alerting.setting, ended.set)
    teller.evaluate()
    assert post(teller, ended, impatient=True, seconds=20)
    teller.close()
    runtime.close()
    return writes
