"""``classify`` never raises, whatever an exception does, and it does not take long either."""

from __future__ import annotations

import builtins
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

HANGS = 10.0
"""Seconds of this process: far above what a loaded machine needs, far below a pattern that backtracks."""


def judged(exc: Any, **setting: Any) -> Classification:
    found = classify(exc, catalog=CATALOG, **setting)
    assert found.kind in BUILTIN_KINDS
    assert found.fingerprint.startswith("v2-")
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


@pytest.mark.parametrize("what", RAISING)
def test_a_text_that_raises_hides_nothing_else(what: type[BaseException]) -> None:
    class Mute(Exception):
        status_code = 429

        def __str__(self) -> str:
            raise what("str")

        __repr__ = __str__

    found = judged(Mute())
    assert (found.kind, found.message) == ("rate_limited", "(its message cannot be read)")
    outer = ValueError("x")
    outer.__cause__ = Mute()
    assert judged(outer).kind == "rate_limited"


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


@pytest.mark.parametrize(
    "claimed", [KeyboardInterrupt, SystemExit, MemoryError, dict, str, int, None, 3], ids=repr
)
def test_what_an_exception_says_of_its_class_is_not_believed(claimed: Any) -> None:
    """isinstance() would: it asks ``__class__``, too. A mock with a spec answers like that."""

    def lie(self: Any) -> Any:
        return claimed

    liar = type("Liar", (ValueError,), {"__class__": property(lie)})
    found = judged(liar("x"))
    assert (found.kind, found.retryable) == ("invalid_value", False)
    assert found.type.endswith("Liar")
    outer = RuntimeError("x")
    outer.__cause__ = liar("x")
    assert judged(outer).kind == "invalid_value"
    timed_out = type("Liar", (TimeoutError,), {"__class__": property(lie)})
    group = Group()
    group.exceptions = (timed_out(), timed_out())
    assert judged(group).kind == "timeout"


def test_exceptions_that_can_be_neither_compared_nor_hashed_nor_counted() -> None:
    def fail(self: Any, *anything: Any) -> Any:
        raise RuntimeError

    names = ("__eq__", "__hash__", "__bool__", "__len__", "__iter__", "__getitem__", "__repr__")
    odd: Any = type("Odd", (TimeoutError,), dict.fromkeys(names, fail))
    one, two = odd("timed out"), odd("timed out")
    one.__cause__, two.__cause__ = two, one
    assert judged(one).kind == "timeout"
    group = Group()
    group.exceptions = (one, two)
    assert judged(group).kind == "timeout"
    group.exceptions = odd()
    assert judged(group).kind == "unknown"


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
    started = time.process_time()
    assert judged(exc).kind == "unknown"
    assert time.process_time() - started < HANGS
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


@pytest.mark.parametrize("link", ["__cause__", "__context__", "orig", "args"])
def test_circles_of_any_length_by_any_link(link: str) -> None:
    for length in (1, 2, 3, 250):
        ring: list[Any] = [Exception() for _ in range(length)]
        for each, following in zip(ring, [*ring[1:], ring[0]]):
            setattr(each, link, (following,) if link == "args" else following)
        assert judged(ring[0]).kind == "unknown"
        broken = TimeoutError("timed out")
        ring[-1].__cause__ = broken
        broken.__context__ = ring[0]
        assert judged(ring[0]).kind == ("timeout" if length < 200 else "unknown")
        for each in ring:  # taken apart, or the interpreter must find the circle
            each.__cause__ = each.__context__ = None
            each.__dict__.clear()
            each.args = ()


def test_a_chain_of_all_links_ten_thousand_deep() -> None:
    exc: Any = TimeoutError()
    links = ("__cause__", "__context__", "orig", "reason", "args")
    held = [exc]
    for number in range(10_000):
        outer: Any = Exception()
        link = links[number % len(links)]
        setattr(outer, link, (exc,) if link == "args" else exc)
        held.append(outer)
        exc = outer
    started = time.process_time()
    assert judged(exc).kind == "unknown"
    assert time.process_time() - started < HANGS
    for each in reversed(held):
        each.__cause__ = each.__context__ = None
        each.__dict__.clear()
        each.args = ()


class Group(Exception):
    exceptions: Any = ()


def nested(depth: int, width: int, leaf: Any) -> BaseException:
    group = Group()
    group.exceptions = tuple(
        nested(depth - 1, width, leaf) if depth else leaf() for _ in range(width)
    )
    return group


def test_groups_of_groups_are_judged_by_their_worst_member() -> None:
    assert judged(nested(3, 3, TimeoutError)).kind == "timeout"
    assert judged(nested(6, 1, lambda: KeyError("x"))).kind == "bug"
    started = time.process_time()
    judged(nested(4, 10, lambda: OSError(28, "full")))
    assert time.process_time() - started < HANGS
    mixed = Group()
    mixed.exceptions = (nested(2, 2, TimeoutError), nested(2, 2, lambda: OSError(28, "full")))
    assert judged(mixed).kind == "disk_full"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no groups of its own")
def test_pythons_own_groups_of_groups() -> None:
    group: Any = vars(builtins)["ExceptionGroup"]
    inner = group("inner", [TimeoutError("timed out"), group("leaf", [OSError(28, "full")])])
    assert judged(group("outer", [inner, ConnectionResetError(104, "reset")])).kind == "disk_full"
    deep: Any = TimeoutError()
    for _ in range(100):
        deep = group("x", [deep])
    assert judged(deep).kind == "timeout"
    base: Any = vars(builtins)["BaseExceptionGroup"]
    stopped = base("x", [TimeoutError(), KeyboardInterrupt()])
    assert judged(stopped).kind == "cancelled"


def test_groups_whose_members_cannot_be_had() -> None:
    class Odd(Exception):
        @property
        def exceptions(self) -> Any:
            raise MemoryError

    assert judged(Odd()).kind == "unknown"
    for value in (None, 3, "text", [None], [3, "x", Bomb()], {1: TimeoutError()}, Bomb()):
        group = Group()
        group.exceptions = value
        assert judged(group).kind == "unknown"


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


MEGABYTE = 1_000_000
HOSTILE = {
    "one letter": "a" * MEGABYTE,
    "words of waiting": "retry " * 170_000,
    "an endless number": "retry after 1" + "0" * MEGABYTE,
    "many numbers": "1.1.1.1 " * 125_000,
    "openings": "(" * MEGABYTE,
    "brackets": "[{" * 500_000,
    "spaces": " " * MEGABYTE,
    "lines": "\n" * MEGABYTE,
    "quotes": "'\"" * 500_000,
    "nothing at all": "\0" * MEGABYTE,
    "a letter that grows": "\u0130" * MEGABYTE,
    "lone surrogates": "\ud800" * MEGABYTE,
    "nearly a match": "Max retries exceeded (reached max retries: " * 23_000,
    "durations": "try again in 1h1m1s" * 52_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    ("module", "name", "base"),
    [
        ("builtins", "RuntimeError", Exception),
        ("openai", "RateLimitError", Exception),
        ("urllib3.exceptions", "MaxRetryError", Exception),
        ("aiohttp.client_exceptions", "ClientConnectorError", OSError),
        ("json.decoder", "JSONDecodeError", ValueError),
        ("sqlite3", "OperationalError", Exception),
        ("acme.errors", "AcmeError", Exception),
    ],
)
def test_a_hostile_message_of_a_megabyte_costs_next_to_nothing(
    module: str, name: str, base: type[Exception], text: str
) -> None:
    exc = type(name, (base,), {"__module__": module})(text)
    took = []
    for _ in range(5):  # the quickest: a busy machine is no slow pattern
        started = time.process_time()
        judged(exc, stage="inference")
        took.append(time.process_time() - started)
    assert min(took) < HANGS / 10  # `make bench` prints how long it really takes


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_of_a_megabyte_anywhere_else_is_quick_too(text: str) -> None:
    """Slower than a message, for Python's own str() and float() read all of it, but linear."""
    document = Exception("Expecting value")
    document.__dict__.update(doc=text, pos=MEGABYTE // 2, msg="Expecting value")
    loaded = Exception("x")
    loaded.__dict__.update(body={"error": {"code": text, "message": text}}, code=text, type=text)
    asked = Exception("x")
    asked.__dict__.update(status=429, headers={"retry-after": text}, retry_after=text)
    for exc in (KeyError(text), RuntimeError(text, 1), document, loaded, asked):
        started = time.process_time()
        judged(exc, stage="inference", now=1.7e9)
        assert time.process_time() - started < HANGS


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
