"""``classify`` never raises, whatever an exception does, and it does not take long either."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.catalog import load
from surefoot.catalog.plan import READ_NAMES
from surefoot.classify import classify
from surefoot.model import BUILTIN_KINDS, STAGES, Classification

CATALOG = load()


def judged(exc: Any, **setting: Any) -> Classification:
    found = classify(exc, catalog=CATALOG, **setting)
    assert found.kind in BUILTIN_KINDS
    assert found.fingerprint.startswith("v1-")
    assert found.retry_after is None or found.retry_after >= 0
    assert len(found.message) <= 10_000
    assert ("retry" in [rung.name for rung in found.ladder]) == found.retryable
    return found


class Bomb:
    """Raises whatever is asked of it, but for what pytest and Hypothesis ask."""

    what: type[BaseException] = RuntimeError

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return object.__getattribute__(self, name)
        raise object.__getattribute__(self, "what")(name)

    def _fail(self, *anything: Any) -> Any:
        raise object.__getattribute__(self, "what")

    __getitem__ = __call__ = __len__ = __iter__ = __eq__ = __bool__ = _fail
    __hash__ = __str__ = __index__ = __float__ = _fail

    def __repr__(self) -> str:
        return "Bomb()"


class Quitting(Bomb):
    what = SystemExit


RAISING = (RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError)


@pytest.mark.parametrize("what", RAISING)
def test_attributes_that_raise(what: type[BaseException]) -> None:
    class Hostile(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise what(name)

        def __str__(self) -> str:
            raise what("str")

        __repr__ = __str__

    found = judged(Hostile())
    assert (found.kind, found.message) == ("unknown", "(its message cannot be read)")


@pytest.mark.parametrize("what", RAISING)
def test_properties_that_raise(what: type[BaseException]) -> None:
    def fail(self: Any) -> Any:
        raise what("x")

    names = (*READ_NAMES, "__cause__", "__context__", "args", "__traceback__", "__class__")
    hostile = type("Hostile", (OSError,), {name: property(fail) for name in names})
    assert judged(hostile()).kind == "unknown"
    assert judged(type("E", (OSError,), {"errno": property(fail)})()).kind == "unknown"


def test_a_text_that_is_none() -> None:
    class NoText(Exception):
        __str__ = cast("Any", lambda self: None)

    class OddText(str):
        def __getitem__(self, key: Any) -> Any:
            raise RuntimeError

    class Odd(Exception):
        def __str__(self) -> str:
            return OddText("rate limit exceeded")

    assert judged(NoText()).message == "(its message cannot be read)"
    assert judged(Odd()).kind == "rate_limited"


def test_classes_that_lie() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

        def __hash__(cls) -> int:
            raise RuntimeError

        def __eq__(cls, other: object) -> bool:
            raise RuntimeError

    hostile: Any = Meta("Hostile", (ValueError,), {})
    found = judged(ValueError.__new__(hostile))  # pytest must not look at what is in an assert
    assert found.kind == "invalid_value"

    class Nowhere(Exception):
        pass

    Nowhere.__module__ = 3  # type: ignore[assignment]
    assert judged(Nowhere()).type.endswith("Nowhere")

    space: dict[str, Any] = {"__builtins__": {"type": type, "Exception": Exception}}
    exec("Homeless = type('Homeless', (Exception,), {})", space)
    assert judged(space["Homeless"]()).type == ".Homeless"


def test_a_dict_of_attributes_that_is_none() -> None:
    class Odd(Exception):
        __dict__ = 3  # type: ignore[assignment]

    assert judged(Odd()).kind == "unknown"


@pytest.mark.parametrize("value", [None, 3, "x", object(), Exception, Bomb()], ids=repr)
def test_what_is_no_exception_at_all(value: Any) -> None:
    assert judged(value).kind == "unknown"


def test_a_defect_of_the_catalog_is_an_answer_too() -> None:
    catalog = load(extra_rules={"rule": [{"id": "a.b", "kind": "dns", "class": "a.B"}]})
    del catalog.kinds["dns"]  # type: ignore[attr-defined]
    exc = type("B", (Exception,), {"__module__": "a"})("x")
    found = classify(exc, catalog=catalog)
    assert (found.kind, found.rule, found.type) == ("unknown", "none", "a.B")


def chain(length: int, link: str) -> BaseException:
    exc: BaseException = TimeoutError()
    for _ in range(length):
        outer = Exception()
        setattr(outer, link, exc)
        exc = outer
    return exc


@pytest.mark.parametrize("link", ["__cause__", "__context__", "orig"])
def test_chains_ten_thousand_deep(link: str) -> None:
    exc = chain(10_000, link)
    started = time.perf_counter()
    assert judged(exc).kind == "unknown"
    assert time.perf_counter() - started < 1.0
    assert judged(chain(50, link)).kind == "timeout"
    rest: Any = exc
    while rest is not None:  # a chain this long must be taken apart by hand
        inner, rest.__dict__["orig"] = getattr(rest, link, None), None
        rest.__cause__ = rest.__context__ = None
        rest = inner


def test_chains_that_bite_their_tail() -> None:
    one, two = ValueError("1"), Exception("2")
    one.__cause__, two.__cause__ = two, one
    assert judged(one).kind == "invalid_value"
    assert judged(two).kind == "invalid_value"
    one.__cause__ = one.__context__ = one
    assert judged(one).kind == "invalid_value"


class Group(Exception):
    exceptions: Any = ()


def test_groups_that_hold_themselves_or_go_deep_or_wide() -> None:
    group = Group()
    group.exceptions = (group, TimeoutError())
    assert judged(group).kind == "timeout"
    deep: BaseException = TimeoutError()
    for _ in range(10_000):
        outer = Group()
        outer.exceptions = [deep]
        deep = outer
    assert judged(deep).kind == "unknown"
    while isinstance(deep, Group):
        inner = deep.exceptions[0]
        deep.exceptions = ()
        deep = inner
    wide = Group()
    wide.exceptions = tuple(TimeoutError() for _ in range(10_000))
    assert judged(wide).kind == "timeout"


def test_groups_in_causes_of_members_of_groups() -> None:
    exc: BaseException = TimeoutError()
    for _ in range(30):
        odd, group = Exception(), Group()
        odd.__cause__ = exc
        group.exceptions = (odd,)
        exc = group
    assert judged(exc).kind == "unknown"


def test_a_hostile_message_of_a_megabyte_is_quick() -> None:
    for text in ("a" * 1_000_000, "retry " * 170_000, "retry after 1" + "0" * 1_000_000):
        started = time.perf_counter()
        judged(RuntimeError(text))
        assert time.perf_counter() - started < 0.5


def test_lone_surrogates_and_nothing() -> None:
    assert judged(RuntimeError("\ud800 rate limit exceeded")).kind == "rate_limited"
    assert judged(RuntimeError("")).kind == "unknown"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.builds(Bomb),
    st.builds(Quitting),
    st.just(lambda: 1 / 0),
    st.builds(Exception, st.text(max_size=5)),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(
        st.sampled_from(
            [
                *("retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-remaining"),
                *("ratelimit", "error", "details", "ResponseMetadata", "HTTPHeaders", "status"),
            ]
        ),
        st.one_of(st.text(max_size=20), st.integers(), st.builds(Bomb)),
    ),
    st.builds(
        lambda **fields: SimpleNamespace(**fields),
        status_code=st.integers(),
        headers=st.dictionaries(
            st.sampled_from(["Retry-After", "X-RateLimit-Reset", "RateLimit", "date"]),
            st.one_of(st.text(max_size=30), st.floats().map(str)),
        ),
        _content=st.one_of(st.just(b'{"error": {"code": 3}}'), st.binary(max_size=20)),
    ),
)


@given(
    attributes=st.dictionaries(
        st.sampled_from(sorted(READ_NAMES | {"doc", "pos", "msg", "errno", "args"})), VALUES
    ),
    base=st.sampled_from([Exception, OSError, KeyError, BaseException, TimeoutError]),
    module=st.sampled_from(["acme", "openai", "botocore", "json", "urllib3.exceptions", "sqlite3"]),
    name=st.sampled_from(["Error", "RateLimitError", "ClientError", "MaxRetryError"]),
    cause=st.one_of(st.none(), st.builds(ValueError, st.text())),
    stage=st.one_of(st.none(), st.sampled_from(STAGES)),
    now=st.one_of(st.none(), st.floats()),
    text=st.text(),
)
def test_anything_at_all_gets_a_classification(
    attributes: dict[str, Any],
    base: type[BaseException],
    module: str,
    name: str,
    cause: BaseException | None,
    stage: Any,
    now: float | None,
    text: str,
) -> None:
    exc = type(name, (base,), {"__module__": module})(text)
    for key, value in attributes.items():
        try:
            setattr(exc, key, value)
        except BaseException:
            exc.__dict__[key] = value
    exc.__cause__ = cause
    first = judged(exc, stage=stage, now=now)
    second = judged(exc, stage=stage, now=now)
    assert first == second, "the same failure is judged the same"


def test_recursion_near_its_limit_is_survived() -> None:
    found: list[Classification] = []

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            found.append(judged(KeyError("x")))

    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    for spare in range(60, 2, -4):
        try:
            deeper(sys.getrecursionlimit() - depth - spare)
        except RecursionError:
            break  # not even the test's own call fits any more
    assert {each.kind for each in found} <= {"bug", "unknown"}
    assert found
