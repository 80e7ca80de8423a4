"""The same place, other arguments: a step runs again with a warning, an effect without a key stops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest

from surefoot import Runtime, carry, current, effect, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import ResumeDrift, UsageError
from surefoot.events import Drifted, Event


class Broken(Exception):
    pass


@pytest.fixture
def heard(runtime: Runtime) -> list[str]:
    messages: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Drifted):
            messages.append(event.message)

    runtime.listen(hear)
    return messages


class Values:
    """What the body asks for; another one in the next run."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def twice(values: Values, body: Callable[[], Any], **changed: Any) -> Callable[..., Any]:
    """Start a run that fails at its end; gives what resumes it with other values."""
    fail = [True]

    @workflow(name="work")
    def work() -> Any:
        result = body()
        if fail[0]:
            raise Broken("no")
        return result

    assert work.with_options(run_id="r").start().status == "halted"
    fail[0] = False
    values.__dict__.update(changed)

    def resume(**options: Any) -> Any:
        return work.resume("r", **options)

    return resume


def test_a_step_with_another_argument_runs_again_and_a_warning_names_it(
    runtime: Runtime, heard: list[str]
) -> None:
    calls: list[Any] = []

    @step(name="fetch")
    def fetch(url: str, *, limit: int) -> int:
        calls.append((url, limit))
        return limit

    values = Values(limit=10)
    resume = twice(values, lambda: fetch("u", limit=values.limit), limit=20)  # type: ignore[attr-defined]
    assert resume().result == 20 and calls == [("u", 10), ("u", 20)]
    assert heard == ["step fetch: argument limit differs from the recorded call; it runs again"]


def test_several_arguments_are_named(runtime: Runtime, heard: list[str]) -> None:
    @step(name="fetch")
    def fetch(url: str, limit: int = 1) -> int:
        return limit

    values = Values(args=("u",))
    resume = twice(values, lambda: fetch(*values.args), args=("v", 2))  # type: ignore[attr-defined]
    resume()
    assert "arguments limit, url differ from the recorded call" in heard[0]


def test_a_time_as_an_argument_drifts_and_the_warning_names_the_remedy(
    runtime: Runtime, clock: ManualClock, heard: list[str]
) -> None:
    @step(name="report")
    def report(when: datetime) -> str:
        return when.isoformat()

    def wall() -> datetime:
        return datetime.fromtimestamp(clock.now(), timezone.utc)

    values = Values(now=wall)
    resume = twice(values, lambda: report(values.now()))  # type: ignore[attr-defined]
    clock.advance(60)
    resume()
    assert "current().now" in heard[0]


def test_the_runs_own_time_does_not_drift(
    runtime: Runtime, clock: ManualClock, heard: list[str]
) -> None:
    calls: list[datetime] = []

    @step(name="report")
    def report(when: datetime) -> str:
        calls.append(when)
        return when.isoformat()

    resume = twice(Values(), lambda: report(current().now))
    clock.advance(3600)
    resume()
    assert len(calls) == 1 and heard == []
    assert calls[0] == datetime.fromtimestamp(1_700_000_000, timezone.utc)


def test_a_new_call_behind_the_recorded_ones_is_no_drift(
    runtime: Runtime, heard: list[str]
) -> None:
    @step(name="fetch")
    def fetch(n: int) -> int:
        return n

    values = Values(upto=3)
    resume = twice(values, lambda: [fetch(n) for n in range(values.upto)], upto=5)  # type: ignore[attr-defined]
    assert resume().result == [0, 1, 2, 3, 4] and heard == []


def test_in_a_place_that_overlapped_an_unmatched_call_is_new(
    runtime: Runtime, heard: list[str]
) -> None:
    import threading

    together = threading.Barrier(2, timeout=10)
    wait = [True]

    @step(name="fetch")
    def fetch(n: int) -> int:
        if wait[0]:
            together.wait()
        return n

    values = Values(numbers=[1, 2])

    def body() -> list[int]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(carry(fetch), values.numbers))  # type: ignore[attr-defined]

    resume = twice(values, body, numbers=[7, 8])
    wait[0] = False
    assert resume().result == [7, 8] and heard == []


# -- effects ----------------------------------------------------------------------------------


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def send(sent: list[Any]) -> Any:
    @effect(name="send")
    def send(to: str) -> str:
        sent.append(to)
        return f"sent to {to}"

    return send


def test_an_effect_without_a_key_stops_the_run(
    runtime: Runtime, send: Any, sent: list[Any]
) -> None:
    values = Values(to="ann")
    resume = twice(values, lambda: send(values.to), to="bob")  # type: ignore[attr-defined]
    run = resume()
    assert run.status == "halted" and isinstance(run.exception, ResumeDrift)
    assert run.error["kind"] == "resume_drift" and sent == ["ann"]
    message = str(run.exception)
    assert "argument to differs" in message
    assert "--on-drift rerun" in message and "--on-drift reuse" in message


def test_on_drift_rerun_does_it_again(
    runtime: Runtime, send: Any, sent: list[Any], heard: list[str]
) -> None:
    values = Values(to="ann")
    resume = twice(values, lambda: send(values.to), to="bob")  # type: ignore[attr-defined]
    assert resume(on_drift="rerun").result == "sent to bob" and sent == ["ann", "bob"]
    assert "it runs again" in heard[0]


def test_on_drift_reuse_takes_the_recorded_result(
    runtime: Runtime, send: Any, sent: list[Any], heard: list[str]
) -> None:
    values = Values(to="ann")
    resume = twice(values, lambda: send(values.to), to="bob")  # type: ignore[attr-defined]
    assert resume(on_drift="reuse").result == "sent to ann" and sent == ["ann"]
    assert "(reuse)" in heard[0]


def test_a_drifted_step_is_reused_where_that_is_asked_for(
    runtime: Runtime, heard: list[str]
) -> None:
    @step(name="fetch")
    def fetch(n: int) -> int:
        return n

    values = Values(n=1)
    resume = twice(values, lambda: fetch(values.n), n=2)  # type: ignore[attr-defined]
    assert resume(on_drift="reuse").result == 1


def test_another_word_for_on_drift_is_refused(runtime: Runtime, send: Any) -> None:
    resume = twice(Values(), lambda: send("ann"))
    with pytest.raises(UsageError, match="'stop', 'rerun' or 'reuse'"):
        resume(on_drift="perhaps")


def test_an_effect_with_a_key_is_told_apart_by_it_alone(runtime: Runtime, heard: list[str]) -> None:
    sent: list[str] = []

    @effect(key=lambda order, text: f"order:{order}", match=("order",))
    def ship(order: int, text: str) -> str:
        sent.append(text)
        return text

    values = Values(text="one")
    resume = twice(values, lambda: ship(1, values.text), text="two")  # type: ignore[attr-defined]
    assert resume().result == "one" and sent == ["one"] and heard == []


def test_on_a_resume_too_a_key_objects_to_other_arguments(runtime: Runtime) -> None:
    from surefoot.errors import KeyConflict

    sent: list[str] = []

    @effect(key=lambda order, text: f"order:{order}")
    def ship(order: int, text: str) -> str:
        sent.append(text)
        return text

    values = Values(text="one")
    resume = twice(values, lambda: ship(1, values.text), text="two")  # type: ignore[attr-defined]
    run = resume()
    assert run.status == "halted" and isinstance(run.exception, KeyConflict)
    assert "(text='one' before, text='two' now)" in str(run.exception) and sent == ["one"]


def test_in_a_place_that_overlapped_an_unmatched_effect_warns(
    runtime: Runtime, heard: list[str]
) -> None:
    import threading

    together = threading.Barrier(2, timeout=10)
    wait = [True]

    @effect(name="send")
    def send(to: str) -> str:
        if wait[0]:
            together.wait()
        return to

    values = Values(people=["ann", "bob"])

    def body() -> list[str]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(carry(send), values.people))  # type: ignore[attr-defined]

    resume = twice(values, body, people=["ann", "eve"])
    wait[0] = False
    assert resume().result == ["ann", "eve"]
    assert len(heard) == 1 and "taken as new. Give it key=" in heard[0]


def test_a_mapped_item_known_by_its_id_drifts_by_its_contents(
    runtime: Runtime, heard: list[str]
) -> None:
    calls: list[Any] = []

    @step(name="index")
    def index(record: dict[str, Any]) -> str:
        calls.append(record["text"])
        return str(record["text"])

    values = Values(records=[{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])

    def body() -> list[str]:
        return index.map(values.records, item_id=lambda r: r["id"], workers=1).results  # type: ignore[attr-defined]

    changed = [{"id": 2, "text": "b"}, {"id": 1, "text": "changed"}]
    resume = twice(values, body, records=changed)
    assert resume().result == ["b", "changed"] and calls == ["a", "b", "changed"]
    assert "item '1' has other contents" in heard[0]
