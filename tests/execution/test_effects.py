"""Effects: the intent first, a key that stays the same, and no second time while anyone is in
doubt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from surefoot import Happened, NotHappened, Runtime, effect, idempotency_key, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import InDoubt, KeyConflict, RunLocked, UsageError
from surefoot.events import Drifted, Event


class Refused(Exception):
    """Classified by a rule of the test as surely not done."""


class Broken(Exception):
    """unknown, and open."""


class Receiver:
    """The outside world: what arrived there, and what goes wrong on the way."""

    def __init__(self) -> None:
        self.arrived: list[Any] = []
        self.keys: list[str] = []
        self.before: list[BaseException] = []
        self.after: list[BaseException] = []

    def take(self, what: Any, key: str | None = None) -> str:
        if key is not None:
            self.keys.append(key)
        if self.before:
            raise self.before.pop(0)
        if key is None or self.keys.count(key) == 1 or what not in self.arrived:
            self.arrived.append(what)
        if self.after:
            raise self.after.pop(0)
        return f"receipt {what}"


@pytest.fixture
def out() -> Receiver:
    return Receiver()


@pytest.fixture
def heard(runtime: Runtime) -> list[str]:
    messages: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Drifted):
            messages.append(event.message)

    runtime.listen(hear)
    return messages


def flow(body: Any, run_id: str = "r") -> Any:
    return workflow(name="work")(body).with_options(run_id=run_id)


RESET = ConnectionResetError(104, "Connection reset by peer")
REFUSED = ConnectionRefusedError(111, "Connection refused")


# -- intent and key ---------------------------------------------------------------------------


def test_the_intent_is_on_disk_before_the_effect_acts(
    runtime: Runtime, make_runtime: Callable[[], Runtime]
) -> None:
    seen: list[Any] = []

    @effect(name="pay", key=lambda order: f"order:{order}")
    def pay(order: int) -> int:
        other = make_runtime()  # another process looks
        try:
            seen.extend(
                other.journal.store.read("SELECT effect, effect_key, state, arguments FROM claims")
            )
            seen.extend(other.journal.store.read("SELECT step, status, effect_key FROM calls"))
        finally:
            other.close()
        return order

    flow(lambda: pay(7)).start()
    claim, call = seen
    assert claim[:3] == ("pay", "order:7", "held") and b"7" in claim[3]
    assert call == ("pay", "running", "order:7")
    (state,) = runtime.journal.store.read("SELECT state FROM claims")
    assert state == ("done",)


def test_a_key_is_the_same_in_each_attempt_and_resume(runtime: Runtime, out: Receiver) -> None:
    @effect
    def send(text: str) -> str:
        return out.take(text, idempotency_key())

    work = flow(lambda: send("hello"))
    out.before = [RESET, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert work.resume("r").result == "receipt hello"
    assert len(out.keys) == 3 and len(set(out.keys)) == 1 and out.keys[0].startswith("r:")


def test_each_call_has_a_key_of_its_own(runtime: Runtime, out: Receiver) -> None:
    @effect
    def send(text: str) -> str:
        return out.take(text, idempotency_key())

    flow(lambda: [send("a"), send("a"), send("b")]).start()
    assert len(set(out.keys)) == 3


def test_asking_for_the_key_twice_gives_it_twice(runtime: Runtime) -> None:
    @effect
    def send(text: str) -> bool:
        return idempotency_key() == idempotency_key()

    assert flow(lambda: send("a")).start().result is True


@pytest.mark.parametrize("key", [7, "seven"])
def test_a_key_of_ones_own_is_a_text_or_a_number(runtime: Runtime, key: Any) -> None:
    @effect(key=lambda: key)
    def send() -> str:
        return idempotency_key()

    assert flow(lambda: send()).start().result == str(key)


@pytest.mark.parametrize(
    ("key", "part"),
    [
        (lambda n: "", "gave ''"),
        (lambda n: None, "gave None"),
        (lambda n: True, "gave True"),
        (lambda n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_bad_key_is_told_before_the_effect_acts(
    runtime: Runtime, out: Receiver, key: Any, part: str
) -> None:
    @effect(key=key)
    def send(n: int) -> str:
        return out.take(n)

    run = flow(lambda: send(1)).start()
    assert part in str(run.exception) and out.arrived == []


def test_a_key_may_take_the_arguments_it_wants(runtime: Runtime) -> None:
    class Maker:
        def __call__(self, **arguments: Any) -> str:
            return f"made of {sorted(arguments)}"

    def all_of_them(**arguments: Any) -> str:
        return f"all of {sorted(arguments)}"

    @effect(name="one", key=lambda b, a: f"{a}{b}")
    def one(a: int, b: int = 2, c: int = 3) -> str:
        return idempotency_key()

    @effect(name="two", key=all_of_them)
    def two(a: int, b: int = 2) -> str:
        return idempotency_key()

    @effect(name="three", key=Maker())
    def three(a: int) -> str:
        return idempotency_key()

    found = flow(lambda: [one(1), two(1), three(1)]).start().result
    assert found == ["12", "all of ['a', 'b']", "made of ['a']"]


# -- one key, several runs --------------------------------------------------------------------


@pytest.fixture
def ship(out: Receiver) -> Any:
    @effect(name="ship", key=lambda order: f"order:{order}", match=("order",))
    def ship(order: int, note: str = "") -> str:
        return out.take(order, idempotency_key())

    return ship


def test_a_second_run_gets_the_first_ones_result(
    runtime: Runtime, out: Receiver, ship: Any, heard: list[str]
) -> None:
    assert flow(lambda: ship(1)).start().result == "receipt 1"
    assert flow(lambda: ship(1, note="other"), "s").start().result == "receipt 1"
    assert out.arrived == [1]
    assert heard == ["effect ship: key 'order:1' was done by run r; not again"]


def test_the_same_key_twice_in_one_run_is_one_effect(
    runtime: Runtime, out: Receiver, ship: Any
) -> None:
    run = flow(lambda: [ship(1), ship(1)]).start()
    assert run.result == ["receipt 1", "receipt 1"] and out.arrived == [1]


def test_threads_at_one_key_do_it_once(runtime: Runtime, out: Receiver, ship: Any) -> None:
    run = flow(lambda: ship.map([5] * 6, workers=6).results).start()
    assert run.result == ["receipt 5"] * 6 and out.arrived == [5]


def test_tasks_at_one_key_do_it_once(runtime: Runtime, out: Receiver) -> None:
    @effect(key=lambda order: f"order:{order}")
    async def ship(order: int) -> str:
        await asyncio.sleep(0.001)
        return out.take(order)

    @workflow
    async def work() -> list[str]:
        return list(await asyncio.gather(*(ship(5) for _ in range(4))))

    assert asyncio.run(work.start()).result == ["receipt 5"] * 4
    assert out.arrived == [5]


def test_a_task_that_is_cancelled_while_it_waits_frees_nobody_elses_key(
    tmp_path: Path, out: Receiver
) -> None:
    @effect(key=lambda order: f"order:{order}")
    async def ship(order: int) -> str:
        await asyncio.sleep(0.2)
        return out.take(order)

    @workflow
    async def work() -> list[str]:
        first = asyncio.ensure_future(ship(5))
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(ship(5))
        await asyncio.sleep(0.02)
        second.cancel()
        await asyncio.wait({second})
        return [await first, await ship(5)]

    @workflow
    async def at_once() -> list[str]:
        first = asyncio.ensure_future(ship(6))
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(ship(6))
        await asyncio.sleep(0.02)
        second.cancel()
        await asyncio.wait({second})
        return list(await asyncio.gather(first, ship(6)))

    with Runtime(journal=tmp_path / "j.db"):
        asyncio.run(work.start())
        assert asyncio.run(at_once.start()).result == ["receipt 6"] * 2
    assert out.arrived == [5, 6]


def test_a_thread_waits_for_a_key_no_longer_than_its_deadline(
    tmp_path: Path, out: Receiver
) -> None:
    begun, go = threading.Event(), threading.Event()

    @effect(key=lambda order: f"order:{order}", deadline=0.2)
    def ship(order: int) -> str:
        if begun.is_set():
            return out.take("again")
        begun.set()
        go.wait(5)
        return out.take(order)

    @workflow
    def work() -> str:
        from surefoot import carry

        other = threading.Thread(target=carry(ship.with_options(deadline=10.0)), args=(5,))
        other.start()
        begun.wait(5)
        try:
            ship(5)
            return "did not wait"
        except RunLocked as exc:
            return str(exc)
        finally:
            go.set()
            other.join()

    with Runtime(journal=tmp_path / "j.db"):
        assert "order:5" in work()
    assert out.arrived == [5]


def test_a_key_used_for_something_else_is_a_conflict(runtime: Runtime, out: Receiver) -> None:
    @effect(key=lambda order, to: f"order:{order}")
    def ship(order: int, to: str) -> str:
        return out.take(to)

    flow(lambda: ship(1, "ann")).start()
    run = flow(lambda: ship(1, "bob"), "s").start()
    assert isinstance(run.exception, KeyConflict) and out.arrived == ["ann"]
    assert "(to='ann' before, to='bob' now)" in str(run.exception)
    assert "match=" in str(run.exception)


def test_the_difference_under_one_key_is_shown_without_secrets(
    runtime: Runtime, out: Receiver
) -> None:
    @effect(key=lambda order, token: f"order:{order}")
    def ship(order: int, token: str) -> str:
        return out.take(order)

    one, other = ("sk-" + letter * 48 for letter in "ab")
    flow(lambda: ship(1, f"Bearer {one}")).start()
    run = flow(lambda: ship(1, f"Bearer {other}"), "s").start()
    told = str(run.exception)
    assert isinstance(run.exception, KeyConflict) and "token" in told
    assert one not in told and other not in told


def test_a_default_and_another_value_under_one_key_conflict(
    runtime: Runtime, out: Receiver
) -> None:
    @effect(key=lambda: "the key")
    def ship(to: str = "ann") -> str:
        return out.take(to)

    flow(lambda: ship()).start()
    run = flow(lambda: ship("bob"), "s").start()
    assert isinstance(run.exception, KeyConflict) and out.arrived == ["ann"]


def test_a_match_of_nothing_never_objects(runtime: Runtime, out: Receiver) -> None:
    @effect(key=lambda order, to: f"order:{order}", match=())
    def ship(order: int, to: str) -> str:
        return out.take(to)

    flow(lambda: ship(1, "ann")).start()
    assert flow(lambda: ship(1, "bob"), "s").start().result == "receipt ann"


def test_a_key_that_a_living_run_holds_is_waited_for_and_then_told(
    runtime: Runtime, clock: ManualClock, out: Receiver, make_runtime: Callable[[], Runtime]
) -> None:
    inner: list[Any] = []

    @effect(name="ship", key=lambda order: f"order:{order}")
    def ship(order: int) -> str:
        if not inner:

            def another_run() -> None:
                with make_runtime():
                    inner.append(flow(lambda: ship(order), "s").start())

            thread = threading.Thread(target=another_run)
            thread.start()
            thread.join()
        return out.take(order)

    assert flow(lambda: ship(1)).start().result == "receipt 1"
    (blocked,) = inner
    assert blocked.status == "halted" and isinstance(blocked.exception, RunLocked)
    assert "is held by run r (pid" in str(blocked.exception)
    assert 590 < sum(clock.sleeps) <= 601 and max(clock.sleeps) == 1.0 and min(clock.sleeps) == 0.05
    # afterwards it gets the result
    assert flow(lambda: ship(1), "s").resume("s").result == "receipt 1"
    assert out.arrived == [1]


def test_waiting_for_a_key_ends_with_the_deadline(
    runtime: Runtime, clock: ManualClock, out: Receiver, make_runtime: Callable[[], Runtime]
) -> None:
    inner: list[Any] = []

    @effect(name="ship", key=lambda order: f"order:{order}", deadline=5)
    def ship(order: int) -> str:
        if not inner:

            def another_run() -> None:
                with make_runtime():
                    inner.append(flow(lambda: ship(order), "s").start())

            thread = threading.Thread(target=another_run)
            thread.start()
            thread.join()
        return out.take(order)

    flow(lambda: ship(1)).start()
    assert isinstance(inner[0].exception, RunLocked) and sum(clock.sleeps) <= 5


# -- refused and open -------------------------------------------------------------------------


def test_a_refusal_releases_the_key_for_another_run(
    runtime: Runtime, out: Receiver, ship: Any
) -> None:
    out.before = [REFUSED] * 5
    run = flow(lambda: ship(1)).start()
    assert run.status == "halted" and run.failures[-1].kind == "connection"
    assert flow(lambda: ship(1), "s").start().result == "receipt 1"
    assert out.arrived == [1]


def test_a_refused_effect_is_retried_adapted_and_falls_back(
    runtime: Runtime, out: Receiver
) -> None:
    def by_mail(to: str) -> str:
        return f"mailed {to}"

    @effect(recover=[on("connection").retry(attempts=2).fall_back(by_mail)])
    def send(to: str) -> str:
        return out.take(to)

    out.before = [REFUSED, REFUSED]
    run = flow(lambda: send("ann")).start()
    assert run.result == "mailed ann" and run.degraded
    assert [f.decision for f in run.failures] == ["retry", "fall_back"]


def test_an_open_failure_is_not_retried_where_nothing_can_tell(
    runtime: Runtime, out: Receiver
) -> None:
    @effect(recover=[on(Exception).retry(attempts=9).fall_back(value="no").skip(default="no")])
    def send(to: str) -> str:
        return out.take(to)

    out.after = [RESET]
    run = flow(lambda: send("ann")).start()
    assert run.status == "halted" and isinstance(run.exception, ConnectionResetError)
    assert out.arrived == ["ann"]
    (failure,) = run.failures
    assert failure.decision == "halt" and "verify=" in failure.reason
    again = flow(lambda: send("ann")).resume("r")
    assert isinstance(again.exception, InDoubt) and out.arrived == ["ann"]
    assert again.error is not None and again.error["kind"] == "in_doubt"
    for way_out in ("verify=", "idempotency_key()", "on_doubt='rerun'", "surefoot resume r"):
        assert way_out in str(again.exception)


@pytest.mark.parametrize("exc", [NameError("typo"), Broken("?")])
def test_a_bug_and_the_unknown_leave_an_effect_open_too(
    runtime: Runtime, out: Receiver, exc: Exception
) -> None:
    @effect
    def send(to: str) -> str:
        return out.take(to)

    out.after = [exc]
    run = flow(lambda: send("ann")).start()
    assert run.status == "halted" and len(run.failures) == 1
    assert isinstance(flow(lambda: send("ann")).resume("r").exception, InDoubt)
    assert out.arrived == ["ann"]


def test_an_open_effect_that_passed_its_key_on_is_tried_again(
    runtime: Runtime, out: Receiver
) -> None:
    @effect
    def send(to: str) -> str:
        return out.take(to, idempotency_key())

    out.after = [RESET]
    run = flow(lambda: send("ann")).start()
    assert run.result == "receipt ann" and len(out.keys) == 2 and out.arrived == ["ann"]


def test_only_a_key_that_was_asked_for_in_that_attempt_counts(
    runtime: Runtime, out: Receiver
) -> None:
    """The first attempt asked for it and was refused; the second sends without it."""
    asked: list[bool] = [True, False]

    @effect
    def send(to: str) -> str:
        return out.take(to, idempotency_key() if asked.pop(0) else None)

    out.before = [REFUSED]
    out.after = [RESET]
    run = flow(lambda: send("ann")).start()
    assert run.status == "halted" and out.arrived == ["ann"]
    assert [f.decision for f in run.failures] == ["retry", "halt"]


def test_an_open_effect_under_its_key_is_never_skipped(runtime: Runtime, out: Receiver) -> None:
    @effect(recover=[on("connection").retry(attempts=2).skip(default="never mind")])
    def send(to: str) -> str:
        return out.take(to, idempotency_key())

    out.after = [RESET, RESET]
    run = flow(lambda: send("ann")).start()
    assert run.status == "halted"
    state = runtime.journal.store.read("SELECT state FROM claims")
    assert state == [("in_doubt",)]


def test_on_doubt_rerun_tries_again(runtime: Runtime, out: Receiver) -> None:
    @effect(on_doubt="rerun")
    def send(to: str) -> str:
        return out.take(to)

    out.after = [RESET]
    assert flow(lambda: send("ann")).start().result == "receipt ann"
    assert out.arrived == ["ann", "ann"]


def test_a_failed_effect_that_was_caught_stays_failed_on_a_resume(
    runtime: Runtime, out: Receiver
) -> None:
    fail = [True]

    @effect
    def send(to: str) -> str:
        return out.take(to)

    def body() -> str:
        try:
            return send("ann")
        except ConnectionResetError:
            if fail[0]:
                raise KeyError("later") from None
            return "gave up"

    out.after = [RESET]
    work = flow(body)
    work.start()
    fail[0] = False
    assert work.resume("r").result == "gave up" and out.arrived == ["ann"]


# -- verify -----------------------------------------------------------------------------------


def verified(out: Receiver, answer: Any, **options: Any) -> Any:
    def was_sent(to: str) -> Any:
        out.keys.append(f"verify {idempotency_key()}")
        found = answer() if callable(answer) else answer
        if isinstance(found, BaseException):
            raise found
        return found

    @effect(name="send", key=lambda to: f"to:{to}", verify=was_sent, **options)
    def send(to: str) -> str:
        return out.take(to)

    return send


def test_what_verify_finds_is_the_result(runtime: Runtime, out: Receiver) -> None:
    send = verified(out, lambda: Happened("found"))
    out.after = [RESET]
    run = flow(lambda: send("ann")).start()
    assert run.result == "found" and out.arrived == ["ann"]
    assert out.keys == ["verify to:ann"]
    assert [(f.kind, f.attempt) for f in run.failures] == [("connection", 1)]


def test_what_did_not_happen_is_tried_again(runtime: Runtime, out: Receiver) -> None:
    send = verified(out, lambda: NotHappened())
    out.before = [RESET]
    assert flow(lambda: send("ann")).start().result == "receipt ann" and out.arrived == ["ann"]


def test_after_a_not_happened_an_effect_may_fall_back(runtime: Runtime, out: Receiver) -> None:
    recover = [on("connection").retry(attempts=1).fall_back(value="by hand")]
    send = verified(out, lambda: NotHappened(), recover=recover)
    out.before = [RESET]
    assert flow(lambda: send("ann")).start().result == "by hand" and out.arrived == []


@pytest.mark.parametrize("answer", [None, True, Broken("the service is down"), Happened])
def test_anything_else_leaves_it_in_doubt(
    runtime: Runtime, out: Receiver, heard: list[str], answer: Any
) -> None:
    send = verified(out, (lambda: Happened) if answer is Happened else (lambda: answer))
    out.after = [RESET]
    run = flow(lambda: send("ann")).start()
    assert run.status == "halted" and out.arrived == ["ann"]
    if isinstance(answer, BaseException):
        assert "its verify failed (Broken: the service is down)" in heard[0]
    assert isinstance(flow(lambda: send("ann")).resume("r").exception, InDoubt)


def test_an_inconclusive_verify_with_rerun_tries_again(runtime: Runtime, out: Receiver) -> None:
    send = verified(out, lambda: None, on_doubt="rerun")
    out.after = [RESET]
    assert flow(lambda: send("ann")).start().result == "receipt ann"
    assert out.arrived == ["ann", "ann"]


def test_a_not_happened_counts_only_once_it_is_settled(
    runtime: Runtime, out: Receiver, clock: ManualClock
) -> None:
    """What is still on its way there would arrive after the look."""
    looks: list[float] = []

    def look() -> Any:
        looks.append(clock.now())
        return NotHappened() if len(looks) == 1 else Happened("late")

    send = verified(out, look, settle=30)
    out.before = [RESET]
    assert flow(lambda: send("ann")).start().result == "late"
    assert looks[1] - looks[0] == 30 and out.arrived == []


def test_settling_takes_as_long_as_the_timeout_by_default(
    runtime: Runtime, out: Receiver, clock: ManualClock
) -> None:
    send = verified(out, lambda: NotHappened(), timeout=20)
    out.before = [RESET]
    assert flow(lambda: send("ann")).start().result == "receipt ann"
    assert clock.sleeps[0] == 20


def test_a_not_happened_says_nothing_while_the_abandoned_attempt_still_runs(
    runtime: Runtime, out: Receiver
) -> None:
    release = threading.Event()

    @effect(verify=lambda to: NotHappened(), timeout=0.02, settle=0)
    def send(to: str) -> str:
        release.wait(5)
        return out.take(to)

    run = flow(lambda: send("ann")).start()
    release.set()
    assert run.status == "halted" and len(run.failures) == 1
    assert "may have happened" in run.failures[0].reason


def test_a_stop_in_a_verify_passes_through(runtime: Runtime, out: Receiver) -> None:
    answers: list[Any] = [KeyboardInterrupt(), Happened("found")]
    send = verified(out, lambda: answers.pop(0))
    out.after = [RESET]
    work = flow(lambda: send("ann"))
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert work.resume("r").result == "found" and out.arrived == ["ann"]


def test_an_async_effect_has_an_async_verify(runtime: Runtime, out: Receiver) -> None:
    async def was_sent(to: str) -> Happened[str]:
        await asyncio.sleep(0)
        return Happened(f"found {to}")

    @effect(verify=was_sent)
    async def send(to: str) -> str:
        return out.take(to)

    @workflow
    async def work() -> str:
        return await send("ann")

    out.after = [RESET]
    assert asyncio.run(work.start()).result == "found ann"


def test_a_verify_that_would_miss_its_object_after_a_crash_is_told_before_it_acts(
    runtime: Runtime, out: Receiver
) -> None:
    @dataclass(frozen=True)
    class Shop:
        name: str

        def was_paid(self, order: int) -> Any:
            return Happened(f"{self.name} {order}")

        @effect(verify=was_paid)
        def pay(self, order: int) -> str:
            return out.take(order)

    out.after = [RESET]
    run = flow(lambda: Shop("corner").pay(3)).start()
    assert run.status == "halted" and out.arrived == []
    assert "self" in str(run.exception) and "did not act" in str(run.exception)


# -- in flight when the process ended ---------------------------------------------------------


def test_an_effect_that_was_stopped_in_the_middle_is_in_doubt(
    runtime: Runtime, out: Receiver
) -> None:
    @effect
    def send(to: str) -> str:
        return out.take(to)

    work = flow(lambda: send("ann"))
    out.after = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert isinstance(work.resume("r").exception, InDoubt) and out.arrived == ["ann"]


@pytest.mark.parametrize(
    ("answer", "result", "times"),
    [(Happened("found"), "found", 1), (NotHappened(), "receipt ann", 2)],
)
def test_it_is_verified_on_the_resume(
    runtime: Runtime, out: Receiver, answer: Any, result: str, times: int
) -> None:
    send = verified(out, lambda: answer)
    work = flow(lambda: send("ann"))
    out.after = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert work.resume("r").result == result and len(out.arrived) == times


def test_it_is_done_again_under_its_key(runtime: Runtime, out: Receiver) -> None:
    @effect
    def send(to: str) -> str:
        return out.take(to, idempotency_key())

    work = flow(lambda: send("ann"))
    out.after = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        work.start()
    assert work.resume("r").result == "receipt ann"
    assert len(set(out.keys)) == 1 and out.arrived == ["ann"]


def test_it_is_in_doubt_for_every_run(runtime: Runtime, out: Receiver, ship: Any) -> None:
    @effect(name="send", key=lambda to: f"to:{to}")
    def send(to: str) -> str:
        return out.take(to)

    out.after = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        flow(lambda: send("ann")).start()
    other = flow(lambda: send("ann"), "s").start()
    assert isinstance(other.exception, InDoubt) and out.arrived == ["ann"]


def test_a_stop_while_waiting_after_a_refusal_leaves_no_doubt(
    runtime: Runtime, out: Receiver, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt was refused and nothing is in flight: what is left is to go on."""

    @effect
    def send(to: str) -> str:
        return out.take(to)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    work = flow(lambda: send("ann"))
    out.before = [REFUSED]
    monkeypatch.setattr(clock, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work.start()
    monkeypatch.undo()
    run = work.resume("r")
    assert run.result == "receipt ann" and out.arrived == ["ann"]


def test_a_cancelled_async_effect_is_in_doubt(runtime: Runtime, out: Receiver) -> None:
    @effect
    async def send(to: str) -> str:
        out.take(to)
        await asyncio.sleep(60)
        return "never"

    @workflow
    async def work() -> str:
        return await send("ann")

    async def main() -> None:
        named = work.with_options(run_id="r")
        task = asyncio.ensure_future(named.start())
        while not out.arrived:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        run = await named.resume("r")
        assert isinstance(run.exception, InDoubt)

    asyncio.run(main())
    assert out.arrived == ["ann"]


# -- outside of a run -------------------------------------------------------------------------


def test_an_effect_outside_of_a_run_claims_its_key_in_the_journal(
    runtime: Runtime, out: Receiver, ship: Any
) -> None:
    assert ship(1) == "receipt 1" and ship(1) == "receipt 1"
    assert out.arrived == [1]
    assert flow(lambda: ship(1)).start().result == "receipt 1" and out.arrived == [1]


def test_without_a_runtime_it_does_so_in_the_default_journal(
    out: Receiver, ship: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ship(1) == "receipt 1" and ship(1) == "receipt 1"
    assert out.arrived == [1] and (tmp_path / ".surefoot" / "journal.db").exists()


def test_without_a_key_it_is_an_error_that_names_the_ways_out(
    runtime: Runtime, out: Receiver
) -> None:
    @effect(name="send")
    def send(to: str) -> str:
        return out.take(to)

    with pytest.raises(UsageError) as caught:
        send("ann")
    for way_out in ("key=", "@workflow", "__wrapped__"):
        assert way_out in str(caught.value)
    assert out.arrived == [] and send.__wrapped__("ann") == "receipt ann"


def test_a_failing_effect_outside_of_a_run_raises_its_exception(
    runtime: Runtime, out: Receiver, ship: Any
) -> None:
    @effect(name="send", key=lambda to: f"to:{to}")
    def send(to: str) -> str:
        return out.take(to)

    out.before = [Broken("no"), Broken("no")]
    with pytest.raises(Broken):
        send("ann")
    with pytest.raises(InDoubt):
        send("ann")
    with pytest.raises(Broken):
        ship(1)
    assert ship(1) == "receipt 1"  # it passed its key on
    assert [run.status for run in runtime.journal.runs()] == ["completed"] + ["halted"] * 3


def test_an_async_effect_outside_of_a_run_does_the_same(runtime: Runtime, out: Receiver) -> None:
    @effect(key=lambda order: f"order:{order}")
    async def ship(order: int) -> str:
        return out.take(order)

    @effect
    async def no_key(order: int) -> str:
        return out.take(order)

    async def main() -> None:
        assert await ship(1) == "receipt 1"
        assert await ship(1) == "receipt 1"
        with pytest.raises(UsageError):
            await no_key(2)
        out.before = [Broken("no")]
        with pytest.raises(Broken):
            await ship(3)

    asyncio.run(main())
    assert out.arrived == [1]


def test_a_step_within_an_effect_is_a_step_and_not_the_effect(runtime: Runtime) -> None:
    """What a nested step asks is not answered with the effect's key."""

    @step
    def ask(n: int) -> str:
        return idempotency_key()

    @effect(attempts=1)
    def outer(n: int) -> str:
        return ask(n)

    run = flow(lambda: outer(1)).start()
    assert isinstance(run.exception, UsageError)


def test_what_verify_says_reads_well() -> None:
    assert repr(Happened("x")) == "Happened('x')" and repr(NotHappened()) == "NotHappened()"
