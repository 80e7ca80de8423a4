"""Dead letters are replayed in their run: a success takes its place, a failure leaves them open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from surefoot import Runtime, WorkflowCriticalError, effect, idempotency_key, on, step, workflow
from surefoot.clock import ManualClock
from surefoot.errors import InputError, RunLocked, UnknownStep, UsageError
from surefoot.journal.letters import letters, replays


class Model:
    """Answers, or fails for the words that it does not know."""

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)
        self.asked: list[str] = []
        self.fails_with: Callable[[str], Exception] = lambda text: ValueError(
            f"no answer to {text}"
        )

    def answer(self, text: str) -> str:
        self.asked.append(text)
        if text in self.bad:
            raise self.fails_with(text)
        return text.upper()


@pytest.fixture
def model() -> Model:
    return Model("b")


def shout_all(model: Model, words: list[str], **options: Any) -> Any:
    @step(name="shout", **options)
    def shout(text: str, mark: str = "!") -> str:
        return model.answer(text) + mark

    @workflow(name="all")
    def every() -> list[str]:
        return shout.map(words, workers=1).results

    return every


def state_of(runtime: Runtime, run_id: str) -> dict[str, str]:
    pk = runtime.journal.run(run_id).pk
    return {f"{call.step}[{call.item}]": call.status for call in runtime.journal.calls(pk)}


def history(runtime: Runtime, letter: int) -> list[str]:
    return [one.outcome for one in replays(runtime.journal.store, letter)]


def test_a_replayed_success_takes_its_place_and_a_resume_makes_the_result_with_it(
    runtime: Runtime, model: Model, clock: ManualClock
) -> None:
    every = shout_all(model, ["a", "b", "c"])
    assert every.with_options(run_id="one").start().result == ["A!", "C!"]
    (letter,) = every.dead_letters()
    assert (letter.run_id, letter.step, letter.item, letter.kind) == (
        "one", "shout", 1, "invalid_value",
    )  # fmt: skip
    assert letter.input == {"text": "b"}

    model.bad.clear()
    clock.sleep(5)
    (found,) = every.replay([letter])
    assert (found.outcome, found.result, found.item) == ("completed", "B!", 1)
    record = runtime.journal.run("one")
    assert record.status == "completed" and record.owner is None
    assert state_of(runtime, "one")["shout[1]"] == "completed"
    assert every.dead_letters() == []
    assert [one.state for one in every.dead_letters(state=None)] == ["replayed"]
    assert history(runtime, letter.id) == ["completed"]

    model.asked.clear()
    run = every.resume("one")
    assert run.result == ["A!", "B!", "C!"]
    assert (model.asked, run.reused) == ([], 3)
    assert runtime.journal.run("one").resumes == 1
    assert every.resume("one").result == ["A!", "B!", "C!"]
    assert runtime.journal.run("one").resumes == 1, "there is nothing new: it is only read"


def test_without_replayed_letters_a_completed_run_is_only_read(
    runtime: Runtime, model: Model
) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    every.replay(every.dead_letters())  # fails again
    assert every.resume("one").result == ["A!"]
    assert runtime.journal.run("one").resumes == 0


def test_a_replay_in_vain_leaves_the_letter_open_and_the_run_as_it_was(
    runtime: Runtime, model: Model
) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    before = runtime.journal.run("one")
    (letter,) = every.dead_letters()
    found = letter.replay()
    assert (found.outcome, found.kind) == ("failed", "invalid_value")
    assert "no answer to b" in (found.message or "") and isinstance(found.error, ValueError)
    (still,) = every.dead_letters()
    assert (still.id, still.state, still.created_at) == (letter.id, "open", letter.created_at)
    assert state_of(runtime, "one")["shout[1]"] == "skipped"
    after = runtime.journal.run("one")
    assert (after.status, after.result, after.ended_at) == (
        before.status,
        before.result,
        before.ended_at,
    )
    assert history(runtime, letter.id) == ["failed"]
    assert len(runtime.journal.failures(before.pk)) == 2, "its attempts are journaled"


def test_a_replay_that_halts_leaves_the_item_set_aside_too(runtime: Runtime, model: Model) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    model.fails_with = lambda text: WorkflowCriticalError("the contract has ended")
    (letter,) = every.dead_letters()
    assert letter.replay().outcome == "failed"
    assert state_of(runtime, "one")["shout[1]"] == "skipped"
    model.bad.clear()
    assert letter.replay().outcome == "completed"
    assert history(runtime, letter.id) == ["failed", "completed"]


def test_a_message_in_the_history_holds_no_secret(runtime: Runtime, model: Model) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    model.fails_with = lambda text: ValueError("no; password=hunter22")
    (letter,) = every.dead_letters()
    letter.replay()
    (row,) = replays(runtime.journal.store, letter.id)
    assert row.message is not None and "hunter22" not in row.message and "no; " in row.message


def test_a_changed_input_is_replayed_and_the_item_is_still_the_same(
    runtime: Runtime, model: Model
) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    (letter,) = every.dead_letters()
    assert letter.replay(text="better", mark="?").result == "BETTER?"
    (row,) = replays(runtime.journal.store, letter.id)
    assert row.edited == 1 and b"better" in (row.input or b"")
    model.asked.clear()
    assert every.resume("one").result == ["A!", "BETTER?"]
    assert model.asked == []


def test_the_ladder_of_the_step_is_climbed_in_a_replay(runtime: Runtime, model: Model) -> None:
    every = shout_all(
        model, ["a", "b"], recover=[on("connection").retry(attempts=3).skip()]
    )  # fmt: skip
    every.with_options(run_id="one").start()
    tries = iter([ConnectionRefusedError(111, "no")] * 2)

    def fail(text: str) -> Exception:
        error = next(tries, None)
        if error is None:
            model.bad.clear()
            return ConnectionRefusedError(111, "for the last time")
        return error

    model.fails_with = fail
    (letter,) = every.dead_letters()
    assert letter.replay().outcome == "failed"
    assert letter.replay().outcome == "completed"
    kinds = [row.kind for row in runtime.journal.failures(runtime.journal.run("one").pk)]
    assert kinds == ["invalid_value", "connection", "connection", "connection"]


# -- many -----------------------------------------------------------------------------------------


def test_a_canary_that_fails_again_keeps_those_like_it_from_being_tried(
    runtime: Runtime, model: Model
) -> None:
    model.bad = {"b", "d", "e"}
    model.fails_with = lambda text: LookupError("the same") if text != "e" else KeyError("other")
    every = shout_all(model, list("abcde"), recover=[on("unknown", "bug", "missing_value").skip()])
    every.with_options(run_id="one").start()
    found = every.dead_letters()
    assert [one.item for one in found] == [1, 3, 4]
    assert found[0].fingerprint == found[1].fingerprint != found[2].fingerprint
    model.bad = {"b"}
    model.asked.clear()
    told = every.replay(found)
    assert {one.item: one.outcome for one in told} == {
        1: "failed",
        3: "not_tried",
        4: "completed",
    }
    assert f"letter {found[0].id}" in next(one.message for one in told if one.item == 3)
    assert "d" not in model.asked and model.asked[-1] == "e"

    told = every.replay(every.dead_letters(), canary=False)
    assert [one.outcome for one in told] == ["failed", "completed"]


def test_a_canary_that_succeeds_lets_the_others_be_tried_however_they_end(
    runtime: Runtime, model: Model
) -> None:
    model.bad = set("bcd")
    every = shout_all(model, list("abcde"), recover=[on("invalid_value").skip()])
    model.fails_with = lambda text: ValueError("alike")
    every.with_options(run_id="one").start()
    model.bad = {"c"}
    told = every.replay(every.dead_letters())
    assert [one.outcome for one in told] == ["completed", "failed", "completed"]


def test_replays_keep_to_their_rate(runtime: Runtime, model: Model, clock: ManualClock) -> None:
    model.bad = set("bcd")
    every = shout_all(model, list("abcde"), recover=[on("invalid_value").skip()])
    every.with_options(run_id="one").start()
    model.bad.clear()
    began = clock.now()
    every.replay(every.dead_letters(), rate=0.5)
    assert clock.now() - began == pytest.approx(4.0)


def test_letters_of_several_runs_are_replayed_together(runtime: Runtime, model: Model) -> None:
    every = shout_all(model, ["a", "b"])
    for run_id in ("one", "two"):
        every.with_options(run_id=run_id).start()
    model.bad.clear()
    assert [one.run_id for one in every.replay(every.dead_letters())] == ["one", "two"]
    assert [every.resume(run_id).result for run_id in ("one", "two")] == [["A!", "B!"]] * 2
    assert len(every.dead_letters(run_id="two", state="replayed", step="shout")) == 1
    assert every.dead_letters(run_id="two", state="replayed", kind="timeout") == []


# -- runs of all kinds ----------------------------------------------------------------------------


def test_letters_of_a_halted_run_are_replayed_and_its_resume_goes_on_with_them(
    runtime: Runtime, model: Model
) -> None:
    mended: list[bool] = []

    @step(name="shout")
    def shout(text: str) -> str:
        return model.answer(text)

    @step(name="last")
    def last() -> str:
        if not mended:
            raise PermissionError(13, "not yet")
        return "end"

    @workflow(name="halting")
    def halting() -> list[str]:
        return [*shout.map(["a", "b"], workers=1).results, last()]

    assert halting.with_options(run_id="one").start().status == "halted"
    model.bad.clear()
    (letter,) = halting.dead_letters()
    assert letter.replay().outcome == "completed"
    record = runtime.journal.run("one")
    assert record.status == "halted" and record.error is not None
    mended.append(True)
    assert halting.resume("one").result == ["A", "B", "end"]
    assert runtime.journal.run("one").resumes == 1
    halting.resume("one")
    assert runtime.journal.run("one").resumes == 1, "the letter is in its result already"


def test_a_run_that_lives_keeps_its_letters_to_itself(
    runtime: Runtime, make_runtime: Callable[[], Runtime], model: Model
) -> None:
    inside, leave = threading.Event(), threading.Event()

    @step(name="shout")
    def shout(text: str) -> str:
        return model.answer(text)

    @step(name="wait")
    def wait() -> None:
        inside.set()
        assert leave.wait(20)

    @workflow(name="living")
    def living() -> int:
        found = len(shout.map(["a", "b"], workers=1).results)
        wait()
        return found

    def elsewhere() -> None:
        with make_runtime():
            living.with_options(run_id="one").start()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert inside.wait(20)
    try:
        with pytest.raises(RunLocked, match="run one is held by"):
            living.replay(living.dead_letters())
    finally:
        leave.set()
        thread.join()
    model.bad.clear()
    assert [one.outcome for one in living.replay(living.dead_letters())] == ["completed"]


def test_what_was_rolled_back_has_no_place_for_a_letter(runtime: Runtime, model: Model) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    every.rollback("one")
    with pytest.raises(UsageError, match="rolled_back.*discard"):
        every.replay(every.dead_letters())


def test_a_nested_step_that_completed_is_not_run_again_by_the_replay(
    runtime: Runtime, model: Model
) -> None:
    fetched: list[str] = []

    @step(name="fetch")
    def fetch(text: str) -> str:
        fetched.append(text)
        return text

    @step(name="both")
    def both(text: str) -> str:
        return model.answer(fetch(text))

    @workflow(name="nested")
    def nested() -> list[str]:
        return both.map(["a", "b"], workers=1).results

    nested.with_options(run_id="one").start()
    model.bad.clear()
    (letter,) = nested.dead_letters()
    assert letter.replay().result == "B"
    assert fetched == ["a", "b"]


def test_a_map_that_halted_finds_what_was_replayed(runtime: Runtime, model: Model) -> None:
    words = [f"w{n}" for n in range(30)]
    model.bad = set(words)
    every = shout_all(model, words)
    assert every.with_options(run_id="one").start().status == "halted"
    model.bad.clear()
    some = every.dead_letters()[:3]
    every.replay(some)
    model.asked.clear()
    assert len(every.resume("one").result) == 30
    assert set(model.asked) == set(words) - {one.input["text"] for one in some}


# -- effects, batches, async, undos ---------------------------------------------------------------


def test_an_effect_is_replayed_under_its_key_once(runtime: Runtime) -> None:
    sent: list[tuple[str, str]] = []
    refused = {"b"}

    @effect(
        name="send",
        key=lambda to, text: f"m:{to}",
        match=("to",),
        recover=[on("connection").retry(attempts=1).skip()],
    )
    def send(to: str, text: str) -> str:
        if to in refused:
            raise ConnectionRefusedError(111, "refused")
        sent.append((to, idempotency_key()))
        return f"sent {text} to {to}"

    @workflow(name="mail")
    def mail(text: str = "hi") -> list[str]:
        return send.starmap([("a", text), ("b", text)], workers=1).results

    assert mail.with_options(run_id="one").start().result == ["sent hi to a"]
    (letter,) = mail.dead_letters()
    assert letter.replay().kind == "connection"
    refused.clear()
    assert letter.replay(text="ho").outcome == "completed"
    assert sent == [("a", "m:a"), ("b", "m:b")]
    assert mail.resume("one").result == ["sent hi to a", "sent ho to b"]
    assert mail.with_options(run_id="two").start().result == ["sent hi to a", "sent ho to b"]
    assert len(sent) == 2


def test_the_letters_of_a_batch_are_replayed_as_that_batch(runtime: Runtime, model: Model) -> None:
    sizes: list[int] = []
    lost: list[bool] = []

    @step(name="embed", recover=[on("connection").retry(attempts=1).skip()])
    def embed(texts: list[str]) -> list[str]:
        sizes.append(len(texts))
        found = [model.answer(text) for text in texts]
        return found[:-1] if lost else found

    @workflow(name="batches")
    def batches() -> list[str]:
        return embed.map(list("abcd"), batch=2, workers=1).results

    model.fails_with = lambda text: ConnectionRefusedError(111, "refused")
    assert batches.with_options(run_id="one").start().result == ["C", "D"]
    (letter,) = batches.dead_letters()
    assert letter.input == {"texts": ["a", "b"]}
    model.bad.clear()
    lost.append(True)
    found = letter.replay()
    assert found.outcome == "failed" and "1 results for a batch of 2" in (found.message or "")
    lost.clear()
    sizes.clear()
    assert letter.replay().result == ["A", "B"]
    assert sizes == [2]
    assert batches.resume("one").result == list("ABCD")
    assert sizes == [2]


def test_an_async_workflow_replays_its_letters_in_its_loop(runtime: Runtime, model: Model) -> None:
    @step(name="shout")
    async def shout(text: str) -> str:
        await asyncio.sleep(0)
        return model.answer(text)

    @workflow(name="later")
    async def later() -> list[str]:
        return (await shout.map(["a", "b", "c"], workers=2)).results

    async def whole() -> None:
        assert (await later.with_options(run_id="one").start()).result == ["A", "C"]
        (letter,) = later.dead_letters()
        assert (await letter.replay()).outcome == "failed"
        model.bad.clear()
        assert [one.outcome for one in await later.replay(later.dead_letters())] == ["completed"]
        assert (await later.resume("one")).result == ["A", "B", "C"]

    asyncio.run(whole())


def test_the_letter_of_an_undo_is_replayed_as_the_rollback(runtime: Runtime) -> None:
    closed = [True]
    log: list[str] = []

    def refund(receipt: str) -> None:
        if closed:
            raise ConnectionRefusedError(111, "the bank is closed")
        log.append(f"refund {receipt}")

    @effect(name="pay", key=lambda order: f"p:{order}", compensate=refund)
    def pay(order: int) -> str:
        return f"receipt {order}"

    @workflow(name="shop")
    def shop() -> str:
        return pay(7)

    shop.with_options(run_id="one").start()
    shop.rollback("one")
    (letter,) = shop.dead_letters()
    assert letter.step == "pay.undo"
    assert letter.replay().outcome == "failed"
    closed.clear()
    (letter,) = shop.dead_letters()
    assert letter.replay().outcome == "completed"
    assert log == ["refund receipt 7"]
    assert shop.dead_letters() == []
    assert [one.state for one in shop.dead_letters(state=None)] == ["replayed"]


# -- what cannot be replayed ----------------------------------------------------------------------


def test_a_discarded_letter_stays_with_its_reason_and_is_not_replayed(
    runtime: Runtime, model: Model
) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    (letter,) = every.dead_letters()
    with pytest.raises(UsageError, match="say why"):
        letter.discard(" ")
    letter.discard("the customer has left")
    (gone,) = every.dead_letters(state="discarded")
    assert gone.note == "the customer has left"
    with pytest.raises(UsageError, match="is discarded"):
        letter.discard("again")
    with pytest.raises(UsageError, match="is discarded .the customer has left."):
        every.replay([gone])


def test_an_input_that_could_not_be_saved_is_given_anew(runtime: Runtime, model: Model) -> None:
    class Client:
        def __repr__(self) -> str:
            return "client"

    @step(name="ask", ignore=("client",))
    def ask(text: str, client: Any) -> str:
        return model.answer(text)

    @workflow(name="asking")
    def asking() -> list[str]:
        return ask.bind(client=Client()).map(["a", "b"], workers=1).results

    asking.with_options(run_id="one").start()
    model.bad.clear()
    (letter,) = asking.dead_letters()
    with pytest.raises(UsageError, match="client"):
        letter.input
    with pytest.raises(InputError, match="was not kept.*client"):
        letter.replay()
    with pytest.raises(InputError, match="needs|missing"):
        letter.replay(text="b")
    assert letter.replay(text="b", client=Client()).result == "B"
    assert asking.resume("one").result == ["A", "B"]


def test_bytes_and_arrays_are_replayed_as_they_were(runtime: Runtime, model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    given: list[Any] = []

    @step(name="see")
    def see(picture: Any, blob: bytes, name: str) -> str:
        given.append((picture, blob))
        return model.answer(name)

    picture, blob = numpy.arange(6.0).reshape(2, 3), bytes(range(256)) * 10

    @workflow(name="seeing")
    def seeing() -> list[str]:
        return see.bind(picture=picture, blob=blob).map(["b"], workers=1).results

    bound = see.bind(picture=picture, blob=blob)

    @workflow(name="seeing")
    def by_name() -> list[str]:
        return see.starmap([(picture, blob, "b")], workers=1).results

    del bound, seeing
    by_name.with_options(run_id="one").start()
    model.bad.clear()
    (letter,) = by_name.dead_letters()
    assert letter.replay().result == "B"
    assert (given[1][0] == picture).all() and given[1][1] == blob


def test_a_step_that_is_gone_is_told(runtime: Runtime, model: Model) -> None:
    shout_all(model, ["a", "b"]).with_options(run_id="one").start()

    @step(name="shouts")
    def shouts(text: str) -> str:
        return text

    @workflow(name="all")
    def renamed() -> list[str]:
        return shouts.map(["a", "b"]).results

    with pytest.raises(UnknownStep, match=r"names no step 'shout'.*'shouts'.*name=\"shout\""):
        renamed.replay(renamed.dead_letters())
    assert runtime.journal.run("one").owner is None, "the run was given back"


def test_a_letter_whose_item_has_run_since_is_not_replayed_over_it(
    runtime: Runtime, model: Model
) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    (letter,) = every.dead_letters()
    model.bad.clear()
    letter.replay()
    pk = letter.id
    runtime.journal.group.commit(
        lambda tx: tx("UPDATE dead_letters SET state = 'open' WHERE pk = ?", (pk,))
    )
    with pytest.raises(UsageError, match="has run since and is completed"):
        every.replay(every.dead_letters())
    assert [one.outcome for one in replays(runtime.journal.store, pk)] == ["completed"]


def test_letters_are_chosen_by_what_they_are(runtime: Runtime, model: Model) -> None:
    every = shout_all(model, ["a", "b"])
    every.with_options(run_id="one").start()
    store = runtime.journal.store
    (one,) = letters(store)
    now = runtime.clock.now()
    assert letters(store, fingerprint=one.fingerprint, before=now) == [one]
    assert letters(store, after=now + 1) == letters(store, before=now - 1) == []
    assert letters(store, call=("one", one.call_id)) == [one]
    assert letters(store, workflow="other") == letters(store, pks=[one.pk + 1]) == []


def test_an_item_that_a_halved_batch_left_is_replayed_and_taken_up(
    runtime: Runtime, model: Model
) -> None:
    @step(name="embed")
    def embed(texts: list[str]) -> list[str]:
        return [model.answer(text) for text in texts]

    @workflow(name="batches")
    def batches() -> list[str]:
        return embed.map(list("abcd"), batch=4, workers=1).results

    assert batches.with_options(run_id="one").start().result == ["A", "C", "D"]
    (letter,) = batches.dead_letters()
    assert letter.input == {"texts": ["b"]}
    model.bad.clear()
    assert letter.replay().result == ["B"]
    model.asked.clear()
    run = batches.resume("one")
    assert (run.status, run.result) == ("completed", list("ABCD"))
    assert model.asked == []
