"""The same failure has the same fingerprint in another run, and another failure has another."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.fingerprint import failure
from surefoot.fingerprint.failure import OwnFrames, fingerprint, normalised

CATALOG = load()


def caught(function: Any, *arguments: Any) -> BaseException:
    try:
        function(*arguments)
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def parse(text: str) -> Any:
    return json.loads(text)


def other(text: str) -> Any:
    return json.loads(text)


def of(exc: BaseException, **more: Any) -> str:
    return classify(exc, catalog=CATALOG, **more).fingerprint


def test_the_message_does_not_count_where_the_users_functions_are_known() -> None:
    assert of(caught(parse, "{1")) == of(caught(parse, "[2, x"))
    assert of(caught(parse, "{1")) != of(caught(other, "{1"))


def test_kind_step_code_and_class_count() -> None:
    exc = caught(parse, "{1")
    assert of(exc) != of(exc, step="answer")
    assert of(exc) != of(exc, stage="inference")
    assert of(build({"type": "acme.E", "status": 500})) != of(
        build({"type": "acme.E", "status": 502})
    )
    assert of(build({"type": "acme.E"})) != of(build({"type": "acme.F"}))


def test_line_numbers_do_not_count() -> None:
    def made(lines: int) -> BaseException:
        space: dict[str, Any] = {"__name__": "pipeline"}
        source = "\n" * lines + "def load():\n    raise KeyError('x')\n"
        exec(compile(source, "/home/ada/pipeline.py", "exec"), space)
        return caught(space["load"])

    assert of(made(1)) == of(made(20))


def test_a_recursion_counts_each_function_once_and_comprehensions_not_at_all() -> None:
    def walk(depth: int) -> Any:
        return [1 / 0] if not depth else [walk(each - 1) for each in [depth]]

    assert of(caught(walk, 2)) == of(caught(walk, 30))
    names = OwnFrames()(caught(walk, 3).__traceback__)
    assert names == (f"{__name__}:caught", f"{__name__}:walk")


def test_frames_of_python_and_of_packages_are_not_the_users() -> None:
    own = OwnFrames()
    assert own.is_own("/home/ada/work/pipeline.py")
    assert not own.is_own(json.__file__)
    assert not own.is_own(os.__file__)
    assert not own.is_own(failure.__file__)
    assert not own.is_own("/opt/venv/lib/python3.12/site-packages/openai/_base_client.py")
    assert not own.is_own("<frozen importlib._bootstrap>")
    assert own.is_own("<stdin>")


def test_a_script_and_its_import_are_the_same_code() -> None:
    def made(name: str | None) -> BaseException:
        space: dict[str, Any] = {"__name__": name}
        source = "def load():\n    raise KeyError('x')\n"
        exec(compile(source, "/home/ada/pipeline.py", "exec"), space)
        return caught(space["load"])

    def last(exc: BaseException) -> str:
        return OwnFrames()(exc.__traceback__)[-1]

    assert {last(made("__main__")), last(made("pipeline")), last(made(None))} == {"pipeline:load"}


def test_modules_without_files_are_told_apart() -> None:
    def made(name: str) -> BaseException:
        space: dict[str, Any] = {"__name__": name}
        exec(compile("def load():\n    raise KeyError('x')\n", "<string>", "exec"), space)
        return caught(space["load"])

    own = OwnFrames()
    assert own(made("one").__traceback__)[-1] == "one:load"
    assert own(made("two").__traceback__)[-1] == "two:load"


def test_of_a_deep_stack_the_innermost_frames_are_kept() -> None:
    space: dict[str, Any] = {"__name__": "deep"}
    lines = ["def f0():\n    raise KeyError('x')\n"]
    lines += [f"def f{n}():\n    f{n - 1}()\n" for n in range(1, 60)]
    exec(compile("".join(lines), "/home/ada/deep.py", "exec"), space)
    names = OwnFrames()(caught(space["f59"]).__traceback__)
    assert len(names) == 24
    assert names[-1] == "deep:f0"


def test_a_traceback_that_is_none_has_no_frames() -> None:
    assert OwnFrames()(None) == ()
    assert OwnFrames()("x") == ()  # type: ignore[arg-type]


def test_labels_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "_LABELS_KEPT", 0)
    own = OwnFrames()
    assert own(caught(parse, "{1").__traceback__)
    assert own._labels == {}


def test_a_traceback_without_end_is_not_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "_FRAMES_WALKED", 1)
    assert OwnFrames()(caught(parse, "{1").__traceback__) == (f"{__name__}:caught",)


def test_the_frames_of_the_cause_count_where_the_outer_one_has_none() -> None:
    outer = build({"type": "acme.Odd"})
    outer.__cause__ = caught(parse, "{1")
    again = build({"type": "acme.Odd"})
    again.__cause__ = caught(parse, "[2")
    assert of(outer) == of(again)
    again.__cause__ = caught(other, "[2")
    assert of(outer) != of(again)


def test_frames_may_be_given_where_the_traceback_was_lost() -> None:
    exc = build({"type": "acme.E", "message": "x"})
    assert of(exc, frames=["a:b"]) == of(exc, frames=("a:b",))
    assert of(exc, frames=["a:b"]) != of(exc, frames=["a:c"])


def test_fingerprints_that_are_kept_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from surefoot.classify import judge

    monkeypatch.setattr(judge, "_KEPT", 5)
    catalog = load()
    for number in range(30):
        classify(KeyError("x"), catalog=catalog, frames=[f"a:{number}"])
    assert len(catalog.kept) <= 7


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("row 3 of 17", "row 4 of 99"),
        ("at 0x7f3a11", "at 0x1122aa"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-e89b-12d3-a456-426614174fff"),
        ("file /data/in/a.csv: bad", "file /data/out/b.csv: bad"),
        (r"file C:\data\a.csv: bad", r"file C:\data\b\c.csv: bad"),
        ("request req_011CSHoEeqs5C35K2UUqR7Fy failed", "request req_9Zz8Yy7Xx6Ww5Vv4 failed"),
        ("a  b\nc", "a b c"),
    ],
)
def test_what_differs_from_case_to_case_is_left_out(one: str, two: str) -> None:
    assert normalised(one) == normalised(two)
    exc = {"type": "acme.E"}
    assert of(build({**exc, "message": one})) == of(build({**exc, "message": two}))


def test_what_is_said_counts_where_there_are_no_frames() -> None:
    assert normalised("disk is full") != normalised("disk is empty")
    assert fingerprint("a", "b", message="x") != fingerprint("a", "b", message="y")


def test_the_version_stands_in_front() -> None:
    found = fingerprint("a", "b", "c", ("d:e",), "f", "\ud800")
    assert found.startswith("v2-") and len(found) == 19
