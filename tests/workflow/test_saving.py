"""What cannot be saved is told: which step, which type, which ways out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.errors import CheckpointDamaged, DefinitionError, InDoubt, UnsavableError


def flow(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r")


class Session:
    """A client that nobody can save."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def test_an_unsavable_result_names_the_step_the_type_and_the_ways_out(runtime: Runtime) -> None:
    calls: list[int] = []

    @step(name="connect")
    def connect(n: int) -> Any:
        calls.append(n)
        return {"session": Session()}

    run = flow(lambda: connect(1)).start()
    assert run.status == "halted" and isinstance(run.exception, UnsavableError)
    message = str(run.exception)
    for part in ("step connect", "['session']", "Session", "checkpoint=False"):
        assert part in message, part
    assert calls == [1]  # it is not tried again: it would be no other result
    assert run.failures[-1].reason == "its result cannot be saved"


def test_after_the_code_is_mended_the_step_runs_again(runtime: Runtime) -> None:
    give: list[Any] = [Session()]

    @step(name="connect")
    def connect(n: int) -> Any:
        return give[0]

    work = flow(lambda: connect(1))
    work.start()
    give[0] = "plain"
    assert work.resume("r").result == "plain"


def test_an_effects_unsavable_result_is_in_doubt_and_not_done_again(runtime: Runtime) -> None:
    calls: list[int] = []

    @effect(name="pay")
    def pay(n: int) -> Any:
        calls.append(n)
        return Session() if len(calls) == 1 else "paid"

    work = flow(lambda: pay(1))
    run = work.start()
    assert isinstance(run.exception, UnsavableError)
    again = work.resume("r")
    assert isinstance(again.exception, InDoubt) and calls == [1]


@pytest.mark.parametrize("make", [step, effect])
def test_an_unreadable_argument_names_itself_and_the_way_out(runtime: Runtime, make: Any) -> None:
    calls: list[Any] = []

    @make
    def read(rows: Iterator[int], n: int) -> int:
        calls.append(n)
        return n

    run = flow(lambda: read(iter([1]), 2)).start()
    assert isinstance(run.exception, UnsavableError) and calls == []
    message = str(run.exception)
    assert "'rows'" in message and 'ignore=("rows",)' in message


def test_an_ignored_argument_does_not_belong_to_the_call(runtime: Runtime) -> None:
    calls: list[int] = []
    fail = [True]

    @step(ignore=("rows",))
    def read(rows: Any, n: int) -> int:
        calls.append(n)
        return n

    def body() -> int:
        found: int = read(iter([1]), 2)
        if fail[0]:
            raise KeyError("no")
        return found

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == 2 and calls == [2]


def test_a_known_handle_counts_by_its_type(runtime: Runtime) -> None:
    calls: list[int] = []
    fail = [True]

    @step
    def read(lock: Any, n: int) -> int:
        calls.append(n)
        return n

    def body() -> int:
        found: int = read(threading.Lock(), 2)
        if fail[0]:
            raise KeyError("no")
        return found

    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == 2 and calls == [2]


@pytest.mark.parametrize("form", ["verify", "compensate"])
def test_what_a_verify_or_compensate_needs_and_cannot_be_saved_is_refused_before_it_acts(
    runtime: Runtime, form: str
) -> None:
    calls: list[int] = []

    @effect(ignore="client", **{form: lambda *args, **kwargs: None})  # type: ignore[arg-type]
    def pay(client: Any, n: int) -> int:
        calls.append(n)
        return n

    run = flow(lambda: pay(Session(), 1)).start()
    assert isinstance(run.exception, UnsavableError) and calls == []
    assert "did not act" in str(run.exception)


def test_without_them_an_unsavable_ignored_argument_is_fine(runtime: Runtime) -> None:
    @effect(ignore="client")
    def pay(client: Any, n: int) -> int:
        return n

    assert flow(lambda: pay(Session(), 1)).start().result == 1


def test_a_compensate_that_takes_the_result_alone_needs_no_arguments(runtime: Runtime) -> None:
    @effect(ignore="client", compensate=lambda result: None)
    def pay(client: Any, n: int) -> int:
        return n

    assert flow(lambda: pay(Session(), 1)).start().result == 1


def test_an_effects_damaged_result_stops_the_run_instead_of_doing_it_again(
    runtime: Runtime,
) -> None:
    calls: list[int] = []
    fail = [True]

    @effect(name="pay")
    def pay(n: int) -> str:
        calls.append(n)
        return "receipt"

    def body() -> str:
        receipt: str = pay(1)
        if fail[0]:
            raise KeyError("no")
        return receipt

    work = flow(body)
    work.start()
    fail[0] = False
    runtime.journal.group.commit(lambda tx: tx("UPDATE calls SET result = x'00'"))
    run = work.resume("r")
    assert isinstance(run.exception, CheckpointDamaged) and calls == [1]
    assert "could do it twice" in str(run.exception)


class Odd:
    """Only a pickle keeps it."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __reduce__(self) -> Any:
        return (Odd, (self.n,))


def test_a_signed_pickle_is_kept_where_a_step_allows_it(
    runtime: Runtime, make_runtime: Any
) -> None:
    calls: list[int] = []
    fail = [True]

    @step(checkpoint="pickle")
    def load(n: int) -> Any:
        calls.append(n)
        return Odd(n)

    def body() -> int:
        odd = load(3)
        if fail[0]:
            raise KeyError("no")
        return int(odd.n)

    work = flow(body)
    work.start()
    fail[0] = False
    with make_runtime():
        assert work.resume("r").result == 3 and calls == [3]
    key = runtime.path.with_name(runtime.path.name + ".key")
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32


def test_another_word_for_checkpoint_is_refused() -> None:
    with pytest.raises(DefinitionError, match="True, False or 'pickle'"):

        @step(checkpoint="always")  # type: ignore[call-overload, untyped-decorator, unused-ignore]
        def load() -> int:
            return 1
