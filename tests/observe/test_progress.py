"""A bar for a map, where a person is looking at a terminal."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from surefoot import Runtime, step, workflow
from surefoot.events import ItemEnded, MapEnded, MapStarted, RunStarted, Where
from surefoot.observe.progress import ProgressBars, someone_looks


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "looks"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "1"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_someone_looks_at_a_terminal_that_can_redraw(
    monkeypatch: pytest.MonkeyPatch, stream: Any, environ: dict[str, str], looks: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert someone_looks() is looks


def test_a_map_is_one_bar_that_counts_what_was_set_aside(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    @step(name="check")
    def check(n: int) -> int:
        if n == 1:
            raise ValueError("bad")
        return n

    runtime.listen(ProgressBars())
    run = workflow(lambda: check.map(range(5), workers=1).results).start()
    assert run.result == [0, 2, 3, 4]
    assert "check" in screen.getvalue()


def test_two_maps_at_once_have_a_bar_each_and_the_last_one_clears_the_screen() -> None:
    bars = ProgressBars()
    one, other = Where("r", "one", "c1"), Where("r", "other", "c2")
    bars(RunStarted("r", "w", False))
    bars(ItemEnded(one, "completed"))  # before any map: nothing to show
    bars(MapEnded(one, {}))
    bars(MapStarted(one, 2))
    bars(MapStarted(other, None))
    bars(ItemEnded(Where("r", "one", "c1", item=0), "quarantined"))
    bars(ItemEnded(Where("r", "one", "c1", item=1), "failed"))
    bars(ItemEnded(Where("r", "stranger", "c9", item=1), "completed"))
    progress = bars._progress
    assert progress is not None
    first, second = progress.tasks
    assert (first.completed, first.fields["note"]) == (2, "2 set aside or failed")
    assert (second.completed, second.total) == (0, None)
    bars(MapEnded(one, {}))
    assert [task.description for task in progress.tasks] == ["other"]
    bars(MapEnded(Where("r", "stranger", "c9"), {}))
    bars(MapEnded(other, {}))
    assert bars._progress is None
