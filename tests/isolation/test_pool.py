"""Children are warm, few, and gone when nobody needs them."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.errors import DefinitionError, StepCrashed
from surefoot.isolation.jobs import Job
from surefoot.isolation.pool import Pool
from surefoot.testing import disabled

from . import bodies
from .processes import alive, wait_for, wait_gone


def test_a_warm_child_is_used_again(runtime: Runtime) -> None:
    @workflow
    def flow() -> set[int]:
        return {bodies.pid(n) for n in range(5)}

    first = flow()
    assert len(first) == 1
    assert flow() == first
    assert runtime.workers.pids == list(first)


def test_a_map_has_as_many_children_as_workers_at_most(runtime: Runtime) -> None:
    @workflow
    def flow() -> list[tuple[int, int]]:
        return bodies.square.map(range(30), workers=3).results

    results = flow()
    assert [number for number, _ in results] == [n * n for n in range(30)]
    assert 1 < len({child for _, child in results}) <= 3


def test_async_steps_run_in_children_too(runtime: Runtime) -> None:
    @workflow
    async def flow() -> list[tuple[int, int]]:
        return (await bodies.square_async.map(range(12), workers=3)).results

    results = asyncio.run(flow())
    assert [number for number, _ in results] == [n * n for n in range(12)]
    assert 1 < len({child for _, child in results}) <= 3


def test_a_cancelled_tasks_child_is_gone_when_the_cancellation_goes_on(
    runtime: Runtime, tmp_path: Path
) -> None:
    @workflow
    async def flow() -> None:
        await bodies.sleep_async(str(tmp_path / "pid"))

    async def cancelled() -> int:
        task = asyncio.ensure_future(flow())
        child = int(await asyncio.to_thread(wait_for, tmp_path / "pid"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return child

    assert not alive(asyncio.run(cancelled()))


def test_methods_are_found_by_their_class(runtime: Runtime) -> None:
    assert bodies.Model(3).scaled(2) == (6, True)
    assert bodies.Model.plain(5) == 5


def test_closing_a_runtime_ends_its_children(make_runtime: Callable[[], Runtime]) -> None:
    with make_runtime():
        child = bodies.pid()
        assert alive(child)
    assert not alive(child)


def test_an_idle_child_ends_after_a_while() -> None:
    pool = Pool(idle=0.2)
    try:
        child = pool.run(Job(a_body(), "a body", lambda word, data: None))
        assert pool.pids == [child]
        assert wait_gone(child)
        until = time.monotonic() + 5
        while pool.pids and time.monotonic() < until:
            time.sleep(0.02)
        assert pool.pids == []
        again = pool.run(Job(a_body(), "a body", lambda word, data: None))
        assert again != child
    finally:
        pool.close()


def test_a_child_that_died_while_it_was_idle_is_replaced(runtime: Runtime) -> None:
    import os
    import signal

    child = bodies.pid()
    os.kill(child, signal.SIGKILL)
    assert bodies.pid() != child


def a_body() -> bytes:
    from surefoot.execution.isolated import Body, Place
    from surefoot.isolation.target import target_of
    from surefoot.isolation.wire import dumps

    nowhere = Place(None, None, "pid", None, 1, None, None, None, False, False)
    return dumps(Body(target_of(bodies.pid.__wrapped__, "step pid"), (), {}, nowhere))


def test_with_everything_switched_off_nothing_is_started() -> None:
    import os

    with disabled():
        assert bodies.pid() == os.getpid()


# -- what cannot work is refused ------------------------------------------------------------------


def test_a_function_in_a_function_is_refused_when_it_is_decorated() -> None:
    with pytest.raises(DefinitionError, match="inside a function.*put it at the top level"):

        @step(isolation="process")
        def local() -> None: ...


def test_a_lambda_and_a_partial_are_refused() -> None:
    with pytest.raises(DefinitionError, match="is a lambda"):
        step(isolation="process", name="a")(lambda: 1)
    with pytest.raises(DefinitionError, match="is a partial"):
        step(isolation="process", name="b")(functools.partial(int, "1"))


def test_a_name_that_leads_elsewhere_is_refused_at_the_first_use(runtime: Runtime) -> None:
    with pytest.raises(DefinitionError, match=r"would look for .*\.renamed and find"):
        OTHER()


def renamed() -> int:
    return 1


OTHER = step(isolation="process", name="other")(renamed)


def renamed() -> int:  # type: ignore[no-redef]
    return 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"isolation": "thread"}, "is 'process' or None"),
        ({"isolation": "process", "memory": 0}, "bytes above 0"),
        ({"isolation": "process", "memory": 1.5}, "bytes above 0"),
        ({"memory": 1 << 30}, "give isolation='process' with it"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], said: str) -> None:
    for decorator in (step, effect):
        with pytest.raises(DefinitionError, match=said):
            decorator(**options)(bodies.say)


def test_with_options_isolates_a_step_that_was_not(runtime: Runtime) -> None:
    import os

    assert bodies.inner.with_options(isolation="process", memory=1 << 30)(1) == 2
    assert runtime.workers.pids != []
    assert os.getpid() not in runtime.workers.pids


SCRIPT = """
import os
from dataclasses import dataclass
from surefoot import step, workflow

@dataclass
class Row:
    n: int

@step(isolation="process")
def double(row: Row) -> Row:
    return Row(row.n * 2)

@workflow
def flow(n: int) -> int:
    row = double(Row(n))
    assert type(row) is Row
    return row.n

"""


def script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_script_of_its_own_works_with_its_classes(tmp_path: Path) -> None:
    done = script(tmp_path, SCRIPT + 'if __name__ == "__main__":\n    print(flow(4))\n')
    assert (done.stdout, done.returncode) == ("8\n", 0), done.stderr


def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path: Path) -> None:
    done = script(tmp_path, SCRIPT + "print(flow(4))\n")
    assert done.returncode == 1
    assert 'put the call below: if __name__ == "__main__":' in done.stderr
    assert done.stdout == ""


def test_a_module_that_crashes_when_it_is_imported_is_a_crash(tmp_path: Path) -> None:
    text = SCRIPT.replace("import os\n", "import os\nif __name__ != '__main__': os._exit(9)\n", 1)
    guarded = text + 'if __name__ == "__main__":\n    flow(4)\n'
    done = script(tmp_path, guarded)
    assert StepCrashed.__name__ in done.stderr
    assert "exit code 9 before its body began" in done.stderr
