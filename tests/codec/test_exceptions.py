"""A replayed failure is caught by the same `except`, says the same, and runs nobody's __init__."""

from __future__ import annotations

import json
import sys
import urllib.error
from typing import Any

import pytest

from surefoot.codec import restore_exception, save_exception
from surefoot.errors import ReplayedFailure, StepTimeout, WorkflowRetryError

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup


class KeywordOnly(Exception):
    made = 0

    def __init__(self, *, code: int, response: object = None) -> None:
        type(self).made += 1
        super().__init__(f"failed with {code}")
        self.code = code
        self.response = response


class StatusError(Exception):
    """As SDKs of model providers have it."""

    def __init__(self, message: str, *, response: Any, body: object) -> None:
        super().__init__(message)
        self.message = message
        self.response = response
        self.status_code = response["status"]
        self.body = body


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        self.code = code


class OwnText(ValueError):
    def __init__(self, live: object) -> None:
        self.live = live

    def __str__(self) -> str:
        return f"about {self.live}"


class OwnNew(Exception):
    def __new__(cls, needed: int, more: int) -> OwnNew:
        return super().__new__(cls, needed, more)

    def __init__(self, needed: int, more: int) -> None: ...


class Guarded(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("not me")

    @property
    def code(self) -> int:
        return 7


class OwnOS(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(2, "gone", path)


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Decoding(UnicodeDecodeError):
    pass


class Meta(type):
    def __new__(mcs, name: str, bases: Any, namespace: Any, **more: Any) -> Any:
        if "Strict" in name and "__str__" in namespace:
            raise TypeError("no subclasses with a text of their own")
        return super().__new__(mcs, name, bases, namespace)


class Strict(Exception, metaclass=Meta):
    pass


def raised(make: Any) -> BaseException:
    try:
        raise make()
    except BaseException as exc:
        return exc


def again(exc: BaseException, **more: Any) -> BaseException:
    record = save_exception(exc)
    return restore_exception(json.loads(json.dumps(record)), **more)


def undecodable() -> BaseException:
    return raised(lambda: Decoding("utf-8", b"ab\xff", 2, 3, "invalid start byte"))


def failing(code: str, *args: Any) -> BaseException:
    try:
        exec(code, {"args": args})
    except BaseException as exc:
        return exc
    raise AssertionError


@pytest.mark.parametrize(
    ("exc", "attributes"),
    [
        (ValueError("x"), ()),
        (KeyError("price"), ()),
        (KeyError(("a", 1)), ()),
        (Exception(), ()),
        (KeywordOnly(code=429), ("code",)),
        (StatusError("slow", response={"status": 429}, body={"a": [1]}), ("status_code", "body")),
        (Slotted(5), ("code",)),
        (FileNotFoundError(2, "No such file", "a", None, "b"), ("errno", "filename", "filename2")),
        (OwnOS("a.txt"), ("errno", "strerror", "filename")),
        (ConnectionResetError(104, "reset"), ("errno",)),
        (undecodable(), ("encoding", "object", "start", "end", "reason")),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), ("object", "start", "reason")),
        (failing("def f(:"), ("lineno", "msg", "text", "offset")),
        (failing("import no_such_module"), ("name", "msg")),
        (failing("unheard_of"), ("name",)),
        (failing("(1).unheard_of"), ("name",)),
        (failing("import json; json.loads('[1')"), ("pos", "doc", "lineno")),
        (failing("[][3]"), ()),
        (StopIteration(5), ("value",)),
        (SystemExit(3), ("code",)),
        (KeyboardInterrupt(), ()),
        (OwnNew(1, 2), ()),
        (Guarded("x"), ("code",)),
        (Strict("x"), ()),
        (StepTimeout("late", timeout=3.0), ("timeout",)),
        (WorkflowRetryError("soon", retry_after=30), ("retry_after",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_comes_back_as_its_class_with_its_text(
    exc: BaseException, attributes: tuple[str, ...]
) -> None:
    got = again(exc)
    assert type(got) is type(exc)
    assert str(got) == str(exc)
    assert got.args == exc.args
    for name in attributes:
        assert getattr(got, name) == getattr(exc, name)
    assert not getattr(got, "__notes__", [])


def test_no_init_runs() -> None:
    exc = KeywordOnly(code=1)
    before = KeywordOnly.made
    again(exc)
    assert KeywordOnly.made == before


def test_what_is_not_simple_is_left_out() -> None:
    got = again(KeywordOnly(code=1, response=object()))
    assert not hasattr(got, "response")
    got = again(ValueError(object()))
    assert isinstance(got, ValueError) and str(got).startswith("<object object")


def test_a_text_that_the_class_cannot_give_again_is_remembered() -> None:
    exc = OwnText(object())
    got = again(exc)
    assert isinstance(got, OwnText)
    assert str(got) == str(exc)
    assert type(got).__qualname__ == "OwnText" and type(got).__module__ == __name__


def test_a_large_attribute_is_left_out_and_the_text_stays() -> None:
    exc = UnicodeDecodeError("utf-8", b"\xff" * 300_000, 0, 1, "invalid start byte")
    exc.add = "x" * 100_000  # type: ignore[attr-defined]
    got = again(exc)
    assert isinstance(got, UnicodeDecodeError)
    assert str(got) == str(exc)
    assert not hasattr(got, "add")
    assert len(json.dumps(save_exception(exc))) < 10_000


def test_an_exception_whose_text_fails_is_saved_all_the_same() -> None:
    got = again(Broken(1))
    assert isinstance(got, Broken) and got.args == (1,)
    assert save_exception(Broken())["message"].startswith("<Broken without a text: its __str__")


def test_a_local_class_becomes_its_nearest_bases() -> None:
    class Local(KeyError): ...

    got = again(Local("x"))
    assert type(got) is KeyError and str(got) == "'x'"
    assert "Local, which is defined inside a function" in got.__notes__[0]

    class Twice(KeyError, ConnectionError): ...

    got = again(Twice("x"))
    assert isinstance(got, KeyError) and isinstance(got, ConnectionError)
    assert type(got).__name__ == "Twice" and str(got) == "'x'"


def test_a_local_class_with_nothing_known_above_it_is_a_replayed_failure() -> None:
    class Lost(Exception): ...

    got = again(Lost("gone"))
    assert type(got) is ReplayedFailure
    assert str(got).endswith("Lost: gone")

    class Stop(BaseException): ...

    got = again(Stop("now"))
    assert type(got) is BaseException and str(got) == "now"


def test_a_class_that_ran_as_main_is_found_in_the_workflow_s_module() -> None:
    record = save_exception(KeywordOnly(code=3))
    record["type"] = record["mro"][0] = "__main__:KeywordOnly"
    assert type(restore_exception(record, namespace=globals())) is KeywordOnly
    assert type(restore_exception(record)) is ReplayedFailure


def test_a_name_that_is_no_exception_any_more_is_not_made() -> None:
    record = save_exception(ValueError("x"))
    record["type"] = "subprocess:Popen"
    record["mro"].insert(0, "subprocess:Popen")
    assert type(restore_exception(record)) is ValueError


def test_a_class_that_refuses_is_replaced_by_its_base() -> None:
    record = save_exception(Strict("x"))
    record["message"] = "something else"
    got = restore_exception(record)
    assert type(got) is ReplayedFailure and "Strict: something else" in str(got)


def test_an_attribute_of_a_class_that_is_gone_is_left_out() -> None:
    record = save_exception(KeywordOnly(code=3))
    record["attrs"] |= {"odd": {"$": "gone:Gone", "v": {}}, "none": None}
    record["args"] = {"$": "gone:Gone", "v": {}}
    got = restore_exception(record)
    assert not hasattr(got, "odd") and got.none is None  # type: ignore[attr-defined]
    assert got.args == ("failed with 3",)


def test_the_chain_and_the_notes_come_back() -> None:
    def run() -> None:
        try:
            try:
                raise KeyError("inner")
            except KeyError as exc:
                raise ValueError("middle") from exc
        except ValueError:
            raise KeywordOnly(code=2) from None

    exc = raised_by(run)
    exc.__notes__ = ["try later", 3]  # type: ignore[attr-defined]
    got = again(exc)
    assert got.__notes__ == ["try later"]
    assert got.__suppress_context__ and isinstance(got.__context__, ValueError)
    assert isinstance(got.__context__.__cause__, KeyError)


def raised_by(run: Any) -> BaseException:
    try:
        run()
    except BaseException as exc:
        return exc
    raise AssertionError


def test_a_chain_ends() -> None:
    first = exc = ValueError("0")
    for number in range(30):
        exc.__cause__ = ValueError(str(number))
        exc = exc.__cause__
    first.__context__ = first.__cause__
    exc.__cause__ = first
    record = save_exception(first)
    depth = 0
    while "cause" in record:
        record, depth = record["cause"], depth + 1
    assert depth == 8


def test_frames_are_files_lines_and_functions() -> None:
    frames = save_exception(raised(lambda: ValueError()))["frames"]
    assert frames[0][0] == __file__ and frames[0][2].endswith("raised")

    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError

    frames = save_exception(raised_by(lambda: deep(200)))["frames"]
    assert len(frames) == 60


def test_groups_come_back_as_groups() -> None:
    exc = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("one", [KeywordOnly(code=1)])])
    got = again(exc)
    assert type(got) is type(exc) and str(got) == str(exc)
    assert isinstance(got, ExceptionGroup)
    assert isinstance(got.exceptions[0], ValueError)
    assert isinstance(got.exceptions[1], ExceptionGroup)
    assert got.split(KeywordOnly)[0] is not None
    base = again(BaseExceptionGroup("all", [KeyboardInterrupt()]))
    assert isinstance(base, BaseExceptionGroup) and not isinstance(base, Exception)


def test_a_group_of_a_python_without_groups_is_a_replayed_failure() -> None:
    record = save_exception(ExceptionGroup("two", [ValueError("a")]))
    record["type"] = "gone:ExceptionGroup"
    record["mro"] = ["gone:ExceptionGroup", "gone:BaseExceptionGroup", *record["mro"][2:]]
    record["mro"] = [n for n in record["mro"] if "Group" not in n or n.startswith("gone")]
    got = restore_exception(record)
    assert type(got) is ReplayedFailure and "two" in str(got)


def test_the_backport_s_groups_are_made_with_its_own_attributes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As exceptiongroup has them on Python 3.10: a class of Python, with these two attributes."""

    class Group(Exception):
        @property
        def exceptions(self) -> Any:
            return self._exceptions  # type: ignore[attr-defined]

        @property
        def message(self) -> Any:
            return self._message  # type: ignore[attr-defined]

        def derive(self) -> None: ...

        def __str__(self) -> str:
            return str(self.message)

    monkeypatch.setitem(globals(), "Group", Group)
    name = "somewhere:Group"
    record = {
        "type": name,
        "mro": [name, "builtins:Exception", "builtins:BaseException"],
        "message": "two",
        "args": None,
        "attrs": {},
        "title": "two",
        "group": [save_exception(ValueError("a"))],
    }
    got = restore_exception(record, namespace=globals())
    assert type(got) is Group and str(got) == "two"
    assert isinstance(got.exceptions[0], ValueError)


def test_library_exceptions_of_the_standard_library() -> None:
    exc = urllib.error.URLError(ConnectionRefusedError(111, "refused"))
    got = again(exc)
    assert isinstance(got, urllib.error.URLError)
    assert str(got) == str(exc)
