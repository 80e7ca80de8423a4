"""The map of a workflow: which steps it finds, what it expects of them, and that it tells the truth."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from surefoot import (
    Happened,
    NotHappened,
    Runtime,
    effect,
    halve,
    idempotency_key,
    on,
    step,
    truncate,
    workflow,
)
from surefoot.attempts import Done, Halted, Note, Skipped, Try, Verdict, attempts, simulate
from surefoot.catalog import load
from surefoot.classify import classify
from surefoot.clock import ManualClock
from surefoot.decide import Adapt, FallBack, Retry
from surefoot.errors import DefinitionError
from surefoot.model import STAGES
from surefoot.policy import Policy
from surefoot.workflow.mapping.calls import NOT_SHOWN, Calls
from surefoot.workflow.mapping.expected import Expecting
from surefoot.workflow.mapping.failure_map import failure_map
from surefoot.workflow.mapping.outcome import Place, outcome_of

CATALOG = load()


@step
def read(path: str = "") -> str:
    return path


@step(stage="preprocessing")
def clean(text: str = "") -> str:
    return text


@step(stage="inference")
def ask(text: str = "") -> str:
    return text


@effect(key=lambda text: text, stage="notification")
def tell(text: str) -> str:
    return text


bare = step(lambda text: text)
bound = ask.bind(text="x")
quick = read.with_options(timeout=1.0)
BY_NAME = {"read": read, "clean": clean}
IN_ORDER = [read, clean]
space = SimpleNamespace(ask=ask)
MAYBE: Any = object()


def names(body: Callable[..., Any]) -> list[str]:
    """The steps that are found in a workflow with this body."""
    return [one.spec.name for one in Calls(workflow(body)).steps]


def uses(body: Callable[..., Any], name: str) -> list[Any]:
    return next(one.uses for one in Calls(workflow(body)).steps if one.spec.name == name)


# -- which steps ----------------------------------------------------------------------------------


def calling() -> None:
    tell(ask(clean(read())))


def mapping() -> None:
    read.map([]).results
    clean.starmap([], workers=3)
    ask.bind(text="a").map([], workers=2, on_failure="halt")


def by_an_alias() -> None:
    first = read
    second = first
    second()
    one, (two, _) = clean, (ask, None)
    one()
    two()


def with_other_options(limit: float = 0.0) -> None:
    read.with_options(timeout=5).map([])
    clean.with_options(timeout=limit * 2)("")


def of_the_module() -> None:
    quick()
    bound.map([])
    space.ask()


def out_of_collections(which: str = "") -> None:
    BY_NAME[which]()
    for one in reversed(IN_ORDER):
        one()
    for name, two in {"ask": ask}.items():
        two(name)


def by_an_exact_key() -> None:
    BY_NAME["clean"]()


def handed_on() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(read, "a")
        pool.map(functools.partial(clean, "a"), [])
    sorted([], key=lambda one: ask(one))


def helper(text: str) -> str:
    return clean(text)


def deeper(text: str) -> str:
    return helper(text) if text else deeper(text)


def by_helpers() -> None:
    deeper("a")


def applied(fn: Any, items: list[str]) -> Any:
    return fn.map(items)


def passed_on() -> None:
    applied(read, [])


def choose(small: bool) -> Any:
    return read if small else clean


def by_what_a_function_returns() -> None:
    choose(True)("a")


def in_a_comprehension() -> None:
    [clean + 1 for clean in [1, 2]]
    {ask(text) for text in ["a"]}
    clean("a")


def hidden(read: Any, clean: Any = ask) -> None:
    read()
    clean()


def in_inner_functions() -> None:
    def inner() -> str:
        return read()

    later = lambda: clean()
    inner(), later()


async def awaited() -> None:
    await asyncio.gather(*[ask(text) for text in ("a", "b")])
    await asyncio.to_thread(read)


def by_getattr(name: str = "") -> None:
    getattr(space, "ask")()  # noqa: B009
    getattr(sys.modules[__name__], name)()


def with_a_local_import() -> None:
    from tests.workflow import test_failure_map as here

    here.read()


def with_a_walrus() -> None:
    if chosen := read:
        chosen()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (calling, ["read", "clean", "ask", "tell"]),
        (mapping, ["read", "clean", "ask"]),
        (by_an_alias, ["read", "clean", "ask"]),
        (with_other_options, ["read", "clean"]),
        (of_the_module, ["read", "ask"]),
        (out_of_collections, ["read", "clean", "ask"]),
        (by_an_exact_key, ["clean"]),
        (handed_on, ["read", "clean", "ask"]),
        (by_helpers, ["clean"]),
        (passed_on, ["read"]),
        (by_what_a_function_returns, ["read", "clean"]),
        (in_a_comprehension, ["ask", "clean"]),
        (hidden, ["ask"]),
        (in_inner_functions, ["read", "clean"]),
        (awaited, ["ask", "read"]),
        (by_getattr, ["ask"]),
        (with_a_local_import, ["read"]),
        (with_a_walrus, ["read"]),
        (lambda: bare("a"), ["<lambda>"]),
        (lambda: None, []),
    ],
)
def test_steps_are_found_by_reading_the_code(body: Callable[..., Any], found: list[str]) -> None:
    assert names(body) == found


def test_a_map_tells_its_options_as_the_code_has_them() -> None:
    [use] = uses(mapping, "ask")
    assert use.how == "map" and dict(use.options) == {"workers": "2", "on_failure": "'halt'"}
    assert not use.quarantines and use.function == "mapping"
    [use] = uses(mapping, "clean")
    assert use.quarantines and dict(use.options) == {"workers": "3"}


def test_options_that_the_code_says_are_used_and_others_are_told() -> None:
    first, second = Calls(workflow(with_other_options)).steps
    assert first.spec.policy.timeout == 5 and first.uses[0].unread == ""
    assert second.spec.policy.timeout is None and second.uses[0].unread == "timeout"


def test_a_step_handed_to_a_pool_says_to_whom() -> None:
    assert [one.to for one in uses(handed_on, "read")] == ["pool.submit"]
    assert [one.to for one in uses(handed_on, "clean")] == ["pool.map"]


def test_what_comes_out_of_a_collection_says_so() -> None:
    assert all(one.picked for one in uses(out_of_collections, "read"))
    assert not uses(by_an_exact_key, "clean")[0].picked


@step
def outer(text: str = "") -> str:
    return ask(text)


@step(attempts=1)
def outer_once(text: str = "") -> str:
    return ask(text)


@step
def around(text: str) -> str:
    return around(text) + outer(text)


def test_a_step_within_a_step_leaves_the_retries_to_the_outer_one() -> None:
    [use] = uses(lambda: outer(), "ask")
    assert (use.inside, use.once) == ("outer", True)
    [use] = uses(lambda: outer_once(), "ask")
    assert (use.inside, use.once) == ("outer_once", False)


def test_steps_that_call_themselves_end_the_reading() -> None:
    assert names(lambda: around("a")) == ["around", "outer", "ask"]


@step(recover=[on("timeout").fall_back(clean)])
def with_a_fallback(text: str = "") -> str:
    return text


@step(recover=[on("timeout").fall_back(helper)])
def with_a_helper(text: str = "") -> str:
    return text


def test_fallbacks_are_used_within_the_step_that_falls_back() -> None:
    [use] = uses(lambda: with_a_fallback(), "clean")
    assert (use.how, use.to, use.inside, use.once) == (
        "fallback",
        "with_a_fallback",
        "with_a_fallback",
        True,
    )
    [use] = uses(lambda: with_a_helper(), "clean")
    assert (use.how, use.inside) == ("call", "with_a_helper")


@workflow
def nested() -> None:
    read()


def test_a_workflow_within_a_workflow_is_a_part_of_it() -> None:
    calls = Calls(workflow(lambda: (nested(), clean())))
    assert [one.spec.name for one in calls.steps] == ["read", "clean"]
    assert calls.workflows[1:] == ["nested"]


def test_runs_that_a_workflow_starts_are_another_map() -> None:
    calls = Calls(workflow(lambda: nested.start()))
    assert calls.steps == [] and "runs of their own of nested" in calls.notes[0]


class Client:
    def ask(self, text: str) -> str:
        return ask(text)


class Flow:
    """Steps and a workflow that are methods."""

    helper: Client

    def __init__(self) -> None:
        self.client = Client()
        self.way = clean

    @step(name="flow.load")
    def load(self) -> str:
        return read()

    @staticmethod
    @step(name="flow.fixed")
    def fixed() -> str:
        return ""

    @classmethod
    def made(cls) -> Flow:
        return cls()

    @workflow(name="flow")
    def run(self) -> None:
        self.load()
        self.client.ask("")
        self.way()
        self.fixed()
        self.helper.ask("")


class Derived(Flow):
    @workflow(name="derived")
    def run(self) -> None:
        super().load()


def test_methods_are_found_through_their_object() -> None:
    found = ["flow.load", "read", "ask", "clean", "flow.fixed"]
    assert [one.spec.name for one in Calls(Flow.run).steps] == found
    assert [one.spec.name for one in Calls(Flow().run).steps] == found
    assert [one.spec.name for one in Calls(Derived.run).steps] == ["flow.load", "read"]


def test_an_object_made_in_the_body_is_followed() -> None:
    assert names(lambda: Flow.made().load()) == ["flow.load", "read"]
    assert names(lambda: Client().ask("a")) == ["ask"]


def by_an_annotated_parameter(client: Client) -> None:
    client.ask("a")


class Calling:
    """Steps in all the places that an object has for them."""

    def __init__(self) -> None:
        read()

    def __call__(self) -> None:
        clean()

    @property
    def way(self) -> Any:
        return ask


def logged(fn: Any) -> Any:
    @functools.wraps(fn)
    def around_it(*args: Any) -> Any:
        return fn(*args)

    return around_it


@logged
def with_a_wrapper() -> str:
    return read()


@functools.lru_cache
def remembered() -> str:
    return clean()


the_calling = Calling.__new__(Calling)


def test_constructors_callable_objects_and_properties_are_followed() -> None:
    assert names(lambda: Calling()) == ["read"]
    assert names(lambda: the_calling()) == ["clean"]
    assert names(lambda: the_calling.way("a")) == ["ask"]


def test_wrappers_are_followed_to_what_they_wrap() -> None:
    assert names(lambda: (with_a_wrapper(), remembered())) == ["read", "clean"]
    assert names(lambda: functools.partial(with_a_wrapper)()) == ["read"]


def by_a_match(what: Any) -> None:
    match what:
        case {"step": read, **clean}:
            read(clean)
        case [*ask]:
            ask()
        case _:
            tell("")


def test_names_that_a_pattern_binds_hide_those_around() -> None:
    assert names(by_a_match) == ["tell"]


def turning(a: Any, b: Any) -> None:
    """Each name is made of the others, again and again."""
    c = d = read
    for _ in range(3):
        a = a.parent or b.parent
        b = b.parent or a
        c = d if a else c
        d = c or d or a
        a = (b if c else d) or a
        b = [a, b, c][0]
    c()


def test_names_that_are_made_of_each_other_come_to_an_end() -> None:
    assert names(turning) == ["read"]


def test_many_names_made_of_two_others_take_no_time(tmp_path: Path) -> None:
    lines = ["n0 = n1 = read"] + [f"n{n} = n{n - 1} or n{n - 2}" for n in range(2, 200)]
    file = tmp_path / "many_names.py"
    file.write_text("def body(read):\n" + "".join(f"    {one}\n" for one in [*lines, "n9()"]))
    scope: dict[str, Any] = {"__name__": "many_names", "step_": read}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    scope["body"].__defaults__ = (read,)
    assert names(scope["body"]) == ["read"]


def test_an_annotation_says_what_a_parameter_is() -> None:
    assert names(by_an_annotated_parameter) == ["ask"]


def test_a_try_around_a_call_is_told() -> None:
    def body() -> None:
        try:
            read()
        except ValueError:
            clean()
        with contextlib.suppress(OSError):
            ask()

    assert [one.guarded for one in uses(body, "read")] == [True]
    assert [one.guarded for one in uses(body, "clean")] == [False]
    assert [one.guarded for one in uses(body, "ask")] == [True]


def test_a_step_that_is_made_while_the_workflow_runs_is_told() -> None:
    def body() -> None:
        @step(stage="inference")
        def inner() -> None: ...

        inner()

    calls = Calls(workflow(body))
    assert calls.steps == []
    assert "inner is made a step by" in calls.notes[0] and "while it runs" in calls.notes[0]


def test_without_a_source_the_names_in_the_compiled_code_count(tmp_path: Path) -> None:
    file = tmp_path / "gone.py"
    text = "def body():\n    inner = lambda: space.ask()\n    read(); inner(); missing()\n"
    scope: dict[str, Any] = {"read": read, "space": space, "__name__": "gone"}
    exec(compile(text, str(file), "exec"), scope)
    calls = Calls(workflow(scope["body"]))
    assert {one.spec.name for one in calls.steps} == {"read", "ask"}
    assert "cannot be read" in calls.notes[0]


def test_nothing_runs_and_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anthropic", raising=False)

    class Explosive:
        @property
        def load(self) -> Any:
            raise AssertionError("a property was run")

        def __getattr__(self, name: str) -> Any:
            raise AssertionError("an attribute was made up")

    explosive = Explosive()

    @step(stage="inference")
    def imports() -> Any:
        import anthropic  # type: ignore[import-not-found,unused-ignore]

        return anthropic.Anthropic()

    def body() -> None:
        explosive.load()
        explosive.other()
        imports()

    found = failure_map(workflow(body), CATALOG)
    [told] = found["steps"]
    assert told["libraries"]["used"] == ["anthropic"] and "anthropic" not in sys.modules


# -- what happens: the map and a run say the same -------------------------------------------------


def shorter(value: Any, failure: Any) -> Any:
    return value - 1


POLICIES = [
    Policy(),
    Policy(attempts=1),
    Policy(attempts=3, in_map=True, quarantine=True),
    Policy(in_map=True, recover=(on(Exception).skip(),)),
    Policy(once=True, recover=(on("timeout", "rate_limited").adapt(n=shorter, rounds=2),)),
    Policy(effect=True),
    Policy(recover=(on(Exception).fall_back(read, clean),)),
    Policy(recover=(on(Exception).fall_back(read, value=0),)),
    Policy(recover=(on("rate_limited").retry(attempts=8, within=600).fall_back(read),)),
    Policy(recover=(on("invalid_value").skip(default=None), on(ValueError).retry(attempts=9))),
    Policy(recover=(on("timeout", "bug").halt(), on(Exception).skip(default=1))),
    Policy(in_map=True, quarantine=True, recover=(on("permission").adapt(n=shorter),)),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_map_tells_what_a_run_does(policy: Policy) -> None:
    """Each kind fails again and again, in the very loop that a run drives."""
    for kind in sorted(CATALOG.kinds):
        if kind in ("cancelled", "control_flow"):
            continue
        judged = Expecting(CATALOG).kind(kind, None, False)
        told = outcome_of(judged, policy)
        clock = ManualClock()
        clock.uniform = lambda low, high: low  # type: ignore[method-assign]
        loop = attempts(policy, clock, lambda exc, j=judged: j, lambda: {"n": 10_000})
        end, commands = simulate(loop, [Exception("again")] * 200, clock, [Verdict("none")] * 200)
        decisions = [one.decision for one in commands if isinstance(one, Note)]
        before = next((n for n, d in enumerate(decisions) if not isinstance(d, Retry)), 0)
        retried = next((r for r in told.ladder if r.startswith("retry(")), None)
        assert (f"attempts={before + 1}," in (retried or "")) == bool(before), (kind, told)
        rungs = [name for one in decisions if (name := rung_of(one))]
        assert list(dict.fromkeys(rungs)) == [
            one.split("(")[0] if one.startswith("adapt") else one
            for one in told.ladder
            if one.startswith(("adapt", "fall_back"))
        ], (kind, told)
        ends = {Skipped: ("set aside", "default"), Halted: ("halt",), Done: ("value",)}
        assert told.ends in ends[type(end)], (kind, told, end)
        if isinstance(end, Skipped):
            assert (told.ends == "set aside") == (told.ladder[-1] == "skip")


def rung_of(decision: Any) -> str | None:
    if isinstance(decision, Adapt):
        return "adapt"
    return f"fall_back({decision.to.name})" if isinstance(decision, FallBack) else None


def test_an_open_failure_of_an_effect_is_only_tried_again_under_its_key() -> None:
    judged = Expecting(CATALOG).kind("timeout", "notification", False)
    policy = Policy(effect=True, attempts=3, recover=(on("timeout").skip(default=0),))
    told = outcome_of(judged, policy, doubt="key")
    assert told.words == "tries up to 3 times within 15 min, then halts the run as in_doubt"
    clock = ManualClock()
    loop = attempts(policy, clock, lambda exc: replace(judged, outcome="open"), dict)
    end, commands = simulate(loop, [Exception()] * 3, clock, [Verdict("key")] * 3)
    assert isinstance(end, Halted) and end.decision.kind == "in_doubt"
    assert sum(isinstance(one, Try) for one in commands) == 3
    assert outcome_of(judged, policy, doubt="open").words == "halts the run as in_doubt at once"


@pytest.mark.parametrize(
    ("kind", "policy", "place", "words"),
    [
        (
            "rate_limited",
            Policy(in_map=True, recover=(on("rate_limited").retry(8, 600).fall_back(read).skip(),)),
            Place(mapped=True),
            "tries up to 8 times within 10 min, then falls back to read, then sets the item aside",
        ),
        ("bug", Policy(), Place(), "halts the run at once"),
        ("bug", Policy(), Place(mapped=True), "stops the map and halts the run at once"),
        (
            "timeout",
            Policy(once=True),
            Place(inside="outer"),
            "fails into outer, whose ladder goes on at once",
        ),
        (
            "auth",
            Policy(),
            Place(guarded=True),
            "halts the run unless the try around it goes on at once",
        ),
        (
            "context_length_exceeded",
            Policy(recover=(on("context_length_exceeded").adapt(prompt=truncate(0.7)),)),
            Place(),
            "changes prompt (truncate(ratio=0.7, minimum=1)) (up to 5 rounds), then halts the run",
        ),
        (
            "timeout",
            Policy(deadline=30, attempts=2),
            Place(),
            "tries up to 2 times within 30 s, then halts the run",
        ),
        (
            "content_filtered",
            Policy(recover=(on("content_filtered").fall_back(model="small"),)),
            Place(),
            "falls back to model='small', then halts the run",
        ),
    ],
)
def test_what_happens_is_told_in_words(kind: str, policy: Policy, place: Place, words: str) -> None:
    assert outcome_of(Expecting(CATALOG).kind(kind, None, False), policy, place).words == words


# -- what to expect -------------------------------------------------------------------------------


def mapped(body: Callable[..., Any], **given: Any) -> dict[str, Any]:
    """Each step's document by its name."""
    found = failure_map(workflow(body), CATALOG, **given)
    return {one["name"]: one for one in found["steps"]}


def row(step_: dict[str, Any], kind: str, as_: str | None = None) -> dict[str, Any]:
    return next(r for r in step_["failures"] if r["kind"] == kind and r["as"] == as_)


@step(stage="postprocessing", timeout=20, deadline=60)
def save(text: str, table: sqlite3.Connection) -> str:
    table.execute("SELECT 1")
    return text


@step(stage="ingestion")
def fetch(path: str) -> Any:
    if not path:
        raise FileNotFoundError(path)
    with open(path) as file:
        return json.load(file)


def test_libraries_are_those_that_the_step_itself_uses() -> None:
    told = mapped(lambda: (save("", MAYBE), fetch("")))
    assert told["save"]["libraries"]["used"] == ["sqlite3"]
    assert told["fetch"]["libraries"]["used"] == ["json", "the file system"]
    assert "sqlite3" in told["fetch"]["libraries"]["imported"]
    locked = row(told["save"], "db_locked")
    assert [one for one in locked["because"] if one["by"] == "library"][0]["through"] == "used"
    assert "sqlite3.locked" in locked["because"][0]["rules"]
    assert row(told["fetch"], "disk_full")["because"][0]["what"] == "the file system"


def test_the_same_library_fails_differently_at_another_stage() -> None:
    at_first = mapped(lambda: fetch(""))["fetch"]
    later = mapped(lambda: fetch.with_options(stage="inference")(""))["fetch"]

    def of_json(told: dict[str, Any]) -> set[tuple[str, str]]:
        return {
            (r["kind"], r["category"])
            for r in told["failures"]
            for one in r["because"]
            if one["what"] == "json"
        }

    assert ("parse_error", "data") in of_json(at_first)
    assert ("malformed_output", "model") in of_json(later)
    assert "malformed_output" not in {kind for kind, _ in of_json(at_first)}


@pytest.mark.parametrize("stage", [None, *STAGES])
def test_what_a_rule_gives_is_what_classify_says(stage: str | None) -> None:
    from surefoot.catalog.examples import build_for

    ask_ = Expecting(CATALOG)
    for rule in CATALOG.rules:
        if rule.library != "Python's standard library" and rule.library != "sqlite3":
            continue
        real = classify(build_for(rule), catalog=CATALOG, stage=stage, now=0.0)
        told = ask_.judged(rule, stage, False)
        if any(one.what == "header x-should-retry" for one in real.evidence):
            continue
        for name in ("kind", "category", "retryable", "recoverable", "outcome", "ladder", "rule"):
            assert getattr(told, name) == getattr(real, name), (rule.id, name)


def test_each_stage_brings_the_kinds_of_its_categories() -> None:
    ask_ = Expecting(CATALOG)

    def of(stage: str) -> set[str]:
        return {one.classification.kind for one in ask_.of_stage(stage, False)}

    assert {"schema_mismatch", "corrupt_file", "connection"} <= of("ingestion")
    assert not {"malformed_output", "context_length_exceeded"} & of("ingestion")
    assert {"malformed_output", "context_length_exceeded", "rate_limited"} <= of("inference")
    assert "connection" not in of("preprocessing") and "host_out_of_memory" in of("preprocessing")
    assert {"schema_mismatch", "missing_value"} <= of("postprocessing")
    assert "schema_mismatch" not in of("notification") and "server_error" in of("notification")
    assert ask_.of_stage(None, False) == []
    every = set().union(*(of(stage) for stage in STAGES))
    assert not every & {"cancelled", "control_flow", "bug", "unknown"}


def test_options_bring_failures_of_their_own() -> None:
    told = mapped(lambda: save("", MAYBE))["save"]
    assert row(told, "deadline_exceeded")["words"] == "halts the run at once"
    assert {"by": "option", "what": "timeout=20", "through": None, "rules": []} in row(
        told, "timeout"
    )["because"]
    assert row(told, "db_locked")["words"] == "tries up to 5 times within 60 s, then halts the run"


def test_what_the_code_raises_is_expected() -> None:
    told = mapped(lambda: fetch(""))["fetch"]
    raised = [
        (r["kind"], one["what"])
        for r in told["failures"]
        for one in r["because"]
        if one["by"] == "raised"
    ]
    assert [what for _, what in raised] == ["FileNotFoundError"]


@step(recover=[on(KeyError).retry(attempts=4), on(Exception).skip(default=0)])
def by_class(text: str = "") -> int:
    return 1


def test_an_override_for_a_class_has_a_row_of_its_own() -> None:
    told = mapped(lambda: by_class())["by_class"]
    assert row(told, "bug")["words"] == "halts the run at once"
    as_key_error = row(told, "bug", "KeyError")
    assert as_key_error["words"] == "tries up to 4 times, then halts the run"
    assert row(told, "unknown")["words"] == "tries up to 2 times, then goes on with 0"
    assert told["overrides"][0] == "on(KeyError): retry(attempts=4)"


def test_a_call_alone_and_in_a_map_are_told_apart() -> None:
    told = mapped(lambda: (clean(), clean.map([])))["clean"]
    assert row(told, "invalid_value")["words"] == (
        "called alone: halts the run at once; in a map: sets the item aside"
    )
    assert [one["ends"] for one in row(told, "invalid_value")["outcomes"]] == ["halt", "set aside"]


def test_a_map_that_halts_sets_nothing_aside() -> None:
    told = mapped(lambda: clean.map([], on_failure="halt"))["clean"]
    assert row(told, "invalid_value")["words"] == "stops the map and halts the run at once"


# -- effects --------------------------------------------------------------------------------------


def was_sent(text: str) -> Happened[str] | NotHappened:
    return NotHappened()


@effect(key=lambda text: f"k:{text}", verify=was_sent, settle=5, stage="notification")
def verified(text: str) -> str:
    return text


@effect(key=lambda text: text, stage="notification")
def passes_on(text: str) -> str:
    return key_of() + text


def key_of() -> str:
    return idempotency_key()


@effect(stage="notification", on_doubt="rerun")
def again(text: str) -> str:
    return text


def test_an_effect_tells_what_it_does_in_doubt() -> None:
    told = mapped(lambda: (verified(""), passes_on(""), again(""), tell("")))
    assert told["verified"]["effect"]["in_doubt"] == (
        "was_sent is asked, once 5 s have passed since the intent: its result counts, or it is done "
        "again; where it cannot tell: halts as in_doubt"
    )
    assert told["verified"]["effect"]["key"] == "f'k:{text}'"
    assert told["passes_on"]["effect"]["asks_for_key"] is True
    assert "under the same key" in told["passes_on"]["effect"]["in_doubt"]
    assert told["again"]["effect"]["in_doubt"] == "done again"
    assert told["tell"]["effect"]["in_doubt"] == "halts as in_doubt"
    halts = "halts the run as in_doubt"
    assert row(told["tell"], "server_error")["words"] == f"{halts} at once"
    assert row(told["passes_on"], "server_error")["words"] == (
        f"tries up to 5 times within 15 min, then {halts}"
    )
    assert row(told["verified"], "server_error")["words"].startswith(
        "asks was_sent; if it did not happen: tries up to 5 times"
    )
    assert row(told["tell"], "unknown")["words"] == f"{halts} at once"
    assert row(told["tell"], "auth")["words"] == "halts the run at once"
    assert row(told["again"], "resume_drift")["words"].endswith("unless --on-drift")


def test_an_effects_map_is_what_its_run_does(runtime: Runtime) -> None:
    @effect(key=lambda text: text, stage="notification")
    def fails(text: str) -> str:
        raise ConnectionResetError("cut off")

    def body() -> None:
        fails("a")

    told = mapped(body)[fails.spec.name]
    run = workflow(body).start()
    assert run.status == "halted" and run.error is not None and run.failures[0].kind == "connection"
    assert "if open: halts the run as in_doubt" in row(told, "connection")["words"]
    call = run.document()["steps"][0]
    assert call["note"] == "in_doubt"


# -- the journal ----------------------------------------------------------------------------------


@step(stage="inference", recover=[on("connection").retry(attempts=3, base=0)])
def shaky(text: str) -> str:
    if text == "gone":
        raise ConnectionError("away")
    if text == "bad":
        raise ValueError("no")
    return text


@workflow(name="shaky_flow")
def shaky_flow() -> int:
    return len(shaky.map(["a", "gone", "bad"], workers=1).results)


def test_what_the_journal_has_seen_is_told(runtime: Runtime) -> None:
    shaky_flow.start()
    shaky_flow.start()
    found = failure_map(shaky_flow, CATALOG, runtime.journal)
    [told] = found["steps"]
    assert found["journal"]["runs"] == 2 and told["calls_seen"]["calls"] == 6
    seen = row(told, "connection")["seen"]
    assert (seen["times"], seen["calls"], seen["runs"]) == (6, 2, 2)
    assert seen["ended"] == {"skipped": 2} and seen["halted"] == 0
    assert told["failures"][0]["kind"] == "connection", "what was seen most comes first"
    assert row(told, "invalid_value")["seen"]["times"] == 2
    assert row(told, "timeout")["seen"] is None


def test_steps_that_only_the_journal_knows_are_added(runtime: Runtime) -> None:
    away = shaky.with_options(name="moved")

    @workflow(name="shaky_flow")
    def before() -> None:
        with contextlib.suppress(ValueError):
            away("bad")

    before.start()
    found = failure_map(shaky_flow, CATALOG, runtime.journal)
    assert [(one["name"], one["found"]) for one in found["steps"]] == [
        ("shaky", "code"),
        ("moved", "journal"),
    ]
    moved = found["steps"][1]
    assert moved["stage"] == "inference" and row(moved, "invalid_value")["seen"]["halted"] == 1
    assert any("the code does not name it" in one["text"] for one in found["points"])


def test_a_kind_that_was_not_expected_is_shown_once_it_was_seen(runtime: Runtime) -> None:
    @step(name="odd", attempts=1)
    def odd() -> None:
        (_ for _ in ()).throw(RuntimeError("CUDA error: an illegal memory access was encountered"))

    @workflow(name="odd_flow")
    def flow() -> None:
        odd()

    assert "gpu_fault" not in {one["kind"] for one in mapped(flow.__wrapped__)["odd"]["failures"]}
    assert flow.start().failures[0].kind == "gpu_fault"
    [told] = failure_map(flow, CATALOG, runtime.journal)["steps"]
    assert row(told, "gpu_fault")["seen"]["ended"] == {"failed": 1}
    assert row(told, "gpu_fault")["words"] == "halts the run at once"


# -- the whole ------------------------------------------------------------------------------------


def points(body: Callable[..., Any]) -> list[tuple[str, str]]:
    return [(one["step"], one["text"]) for one in failure_map(workflow(body), CATALOG)["points"]]


def test_points_for_the_review() -> None:
    found = points(lambda: (read(), again(""), tell("")))
    assert ("read", "it has no stage=: what belongs to its stage is not in its table") in found
    assert ("again", "an effect without key=: a second run does it again") in found
    assert any(name == "tell" and "nothing can tell" in text for name, text in found)
    assert not any(name == "again" and "nothing can tell" in text for name, text in found)


def test_two_steps_of_one_name_are_a_point() -> None:
    other = step(lambda: 1, name="read")
    assert ("read", "two steps have this name: a run refuses that") in points(
        lambda: (read(), other())
    )


def test_steps_stand_in_their_stages_and_the_document_is_json() -> None:
    found = failure_map(workflow(calling), CATALOG)
    assert [(one["stage"], one["steps"]) for one in found["stages"]] == [
        ("preprocessing", ["clean"]),
        ("inference", ["ask"]),
        ("notification", ["tell"]),
        (None, ["read"]),
    ]
    assert found["journal"] is None and NOT_SHOWN in found["notes"]
    assert json.loads(json.dumps(found)) == found
    for one in found["steps"]:
        for told in one["failures"]:
            assert told["words"] and told["kind"] in found["kinds"] and told["outcomes"]


def test_a_kind_that_there_is_not_is_refused_as_a_run_refuses_it(runtime: Runtime) -> None:
    wrong = read.with_options(recover=[on("rate_limit").skip()], name="wrong")
    with pytest.raises(DefinitionError, match="did you mean 'rate_limited'"):
        failure_map(workflow(lambda: wrong()), CATALOG, check=runtime.check_kinds)


def test_texts_with_users_values_are_cleaned() -> None:
    secret = read.with_options(recover=[on("unknown").fall_back(value="hunter2")], name="s")
    told = mapped(lambda: secret(), clean=lambda text: text.replace("hunter2", "[secret]"))["s"]
    assert "hunter2" not in json.dumps(told)
    assert (
        row(told, "unknown")["words"] == "tries up to 2 times, then goes on with value='[secret]'"
    )
    assert told["overrides"] == ["on(unknown): fall_back(value='[secret]')"]


def test_adapters_are_named() -> None:
    one = read.with_options(recover=[on("timeout").adapt(path=halve(minimum=2))], name="h")
    assert mapped(lambda: one())["h"]["overrides"] == [
        "on(timeout): adapt(path (halve(minimum=2)), rounds=5)"
    ]
