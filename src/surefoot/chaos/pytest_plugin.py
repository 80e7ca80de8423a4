"""The pytest plugin: fixtures for faults, time and crashes; the marker ``resilience``.

It is installed with the package, and does nothing until a test names one of its fixtures or the
marker; until then it loads nothing of Surefoot but what ``import surefoot`` loads.

pytest itself imports this module, and nobody else does: it is the one module that needs pytest.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..clock import ManualClock
    from ..journal import Journal
    from ..runtime import Runtime
    from ..testing import Ledger
    from .bench import Bench, Faults
    from .crashing import CrashAt
    from .model import CellResult
    from .playing import Sessions
    from .proxy import FaultProxy

MARKER = "resilience"
BENCH = pytest.StashKey["Bench"]()
VERDICT = pytest.StashKey[str]()
"""Why the test's cell fails; empty where it does not."""

UNPLAYED = """\
not_fired: @pytest.mark.resilience played nothing here; it needs a test function of pytest's own (not a \
method of unittest.TestCase)"""

HELP = """\
resilience(workflow, input=…, args={…}, faults="standard"|"crash_sweep"|[…], steps=[…], expect=[…], \
setup=fn, seed=0, sample=n, timeout=60): one test for each fault that can happen in the workflow, \
played in child processes (surefoot)"""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", HELP)


# -- one test's own runtime -----------------------------------------------------------------------


@pytest.fixture
def surefoot_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """What the other fixtures of Surefoot share: a Runtime in tmp_path, entered for this test."""
    from .bench import bench

    names = request.fixturenames
    clock = "real"
    if "crash_at" in names:  # the child skips its waits, and the test goes on at its time
        clock = "skipping"
    if "virtual_clock" in names:
        clock = "virtual"
    with bench(tmp_path, faults="faults" in names, clock=clock) as made:
        request.node.stash[BENCH] = made
        yield made


@pytest.fixture
def surefoot_runtime(surefoot_bench: Bench) -> Runtime:
    """The Runtime of this test, with a journal in tmp_path; all runs of the test are in it."""
    return surefoot_bench.runtime


@pytest.fixture
def journal(surefoot_bench: Bench) -> Journal:
    """The journal of this test's own Runtime, in tmp_path: `journal.runs()`."""
    return surefoot_bench.runtime.journal


@pytest.fixture
def virtual_clock(surefoot_bench: Bench) -> ManualClock:
    """Time that passes only when somebody sleeps: minutes of back-off take milliseconds.

    `virtual_clock.sleeps` lists the waits in seconds.
    """
    from ..clock import ManualClock
    from .bench import asked_late

    if not isinstance(surefoot_bench.clock, ManualClock):
        raise asked_late("virtual_clock", "the test's Runtime has another clock already")
    return surefoot_bench.clock


@pytest.fixture
def faults(surefoot_bench: Bench) -> Faults:
    """Faults for the steps of this test: `faults.add(fault("rate_limited"), step, script=fail(2))`.

    A fault that was added and did not act fails the test.
    """
    from .bench import asked_late

    if surefoot_bench.faults is None:
        raise asked_late("faults", "the test's Runtime was made without them")
    return surefoot_bench.faults


@pytest.fixture
def ledger(surefoot_bench: Bench) -> Ledger:
    """Counts effects outside of the processes that die: `ledger.assert_once(…)`.

    Its file is in tmp_path; SUREFOOT_LEDGER names it for the test and its children, so that a
    workflow finds it by `Ledger.here()`.
    """
    return surefoot_bench.ledger


@pytest.fixture
def crash_at(surefoot_bench: Bench) -> CrashAt:
    """Start a workflow in a child process that is killed at one place:
    `crashed = crash_at(triage, "tickets.jsonl", step="pay", seam="after")`, and then
    `run = triage.resume(crashed.run_id)`. Waits are skipped, in the child and in the test.
    """
    from .crashing import CrashAt

    return CrashAt(surefoot_bench)


@pytest.fixture
def fault_proxy(request: pytest.FixtureRequest) -> Iterator[FaultProxy]:
    """A TCP proxy on loopback that delays, cuts and spoils what passes:
    `api = fault_proxy.proxy("api", "127.0.0.1:5432")`, and `api.add("latency", latency=200)`.

    Indirect parametrisation gives it other options: `[{"url": "http://localhost:8474"}]`.
    """
    from .proxy import FaultProxy

    with FaultProxy(**getattr(request, "param", {"seed": 0})) as made:
        yield made


# -- cells as tests -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def surefoot_sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    """Where the cells of this session are played; each workflow is imported once."""
    from .playing import Sessions

    made = Sessions(tmp_path_factory.mktemp("surefoot"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def resilience(request: pytest.FixtureRequest, surefoot_sessions: Sessions) -> CellResult | None:
    """What came of this test's cell; None for a crash sweep, whose cells are many.

    For tests with `@pytest.mark.resilience(workflow=…)`, which ask for it by themselves.
    """
    from ..errors import SurefootError
    from .playing import told, told_sweep

    if not hasattr(request, "param"):
        raise pytest.UsageError(
            "the fixture resilience is for tests with @pytest.mark.resilience(workflow=…)"
        )
    asked, cell = request.param
    node: pytest.Item = request.node
    try:
        if cell is None:
            node.stash[VERDICT] = told_sweep(surefoot_sessions.sweep(asked), asked, node.nodeid)
            return None
        result = surefoot_sessions.play(asked, cell)
    except SurefootError as exc:
        node.stash[VERDICT] = f"{type(exc).__name__}: {exc}"
        return None
    node.stash[VERDICT] = "" if result.allowed else told(result, asked, node.nodeid)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    """A marked test uses the fixture, also where its arguments do not name it."""
    if not inspect.isfunction(obj):
        return
    own = any(one.name == MARKER for one in getattr(obj, "pytestmark", ()))
    if (own or collector.get_closest_marker(MARKER)) and collector.funcnamefilter(name):
        pytest.mark.usefixtures(MARKER)(obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell."""
    mark = metafunc.definition.get_closest_marker(MARKER)
    if mark is None:
        return
    from ..errors import SurefootError
    from .resilience import marked

    where = f"@pytest.mark.resilience of {metafunc.definition.name}"
    try:
        if mark.args:
            raise pytest.UsageError("its options have names: workflow=…, faults=…")
        asked = marked(mark.kwargs, where)
        cells: list[Any] = [None] if asked.is_sweep else asked.cells()
    except (SurefootError, pytest.UsageError) as exc:
        raise pytest.Collector.CollectError(f"{where}: {exc}") from exc
    ids = ["crash_sweep" if cell is None else cell.id for cell in cells]
    metafunc.parametrize(MARKER, [(asked, cell) for cell in cells], indirect=True, ids=ids)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """A cell that ended as it must not fails its test, before the test's own code; and a test whose
    faults did not act fails after it, since it has proved nothing."""
    if item.get_closest_marker(MARKER) is not None:
        if VERDICT not in item.stash:
            pytest.fail(UNPLAYED, pytrace=False)
        if item.stash[VERDICT]:
            pytest.fail(item.stash[VERDICT], pytrace=False)
    bench = item.stash.get(BENCH, None)
    if bench is None:
        yield
        return
    with _in_its_own_task(item, bench):
        outcome: Any = yield
    if bench.faults is None or outcome.excinfo is not None:
        return
    silent = bench.faults.silent()
    if silent:
        from ..testing.asserts import unproved

        words = unproved(bench.faults, silent)
        outcome.force_exception(pytest.fail.Exception(words, pytrace=False))


@contextmanager
def _in_its_own_task(item: Any, bench: Bench) -> Iterator[None]:
    """An async test stands in the context of its plugin's event loop, which an async fixture may have
    started before the Runtime was entered."""
    test = getattr(item, "obj", None)
    if not inspect.iscoroutinefunction(test):
        yield
        return

    @functools.wraps(test)
    async def within(*args: Any, **kwargs: Any) -> Any:
        with bench.runtime:
            return await test(*args, **kwargs)

    item.obj = within
    try:
        yield
    finally:
        item.obj = test
