"""The identity of a call: its arguments by name, without defaults, however they were given."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import DefinitionError, UnsavableError
from surefoot.fingerprint.arguments import ArgumentDigester


def simple(prompt, *, batch_size=32, feedback=None): ...  # type: ignore[no-untyped-def]


def every(a, b=2, /, c=3, *rest, d, e=5, **more): ...  # type: ignore[no-untyped-def]


def two(x, y=0): ...  # type: ignore[no-untyped-def]


def positional_only(a=1, b=2, /, c=3): ...  # type: ignore[no-untyped-def]


def total(fn: Any, *args: Any, **kwargs: Any) -> str:
    return ArgumentDigester(fn).digest(args, kwargs).total


def test_by_position_and_by_name_are_the_same() -> None:
    assert total(two, 1, 2) == total(two, 1, y=2) == total(two, y=2, x=1)


def test_an_argument_equal_to_its_default_is_as_if_not_given() -> None:
    assert total(simple, "a") == total(simple, "a", batch_size=32, feedback=None)
    assert total(two, 1) == total(two, 1, 0) != total(two, 1, False)
    assert total(two, 1, 0.0) != total(two, 1)


def test_a_default_that_is_equal_and_not_the_same_is_left_out_too() -> None:
    def step(tags=("a", [1])): ...  # type: ignore[no-untyped-def]

    digester = ArgumentDigester(step)
    assert digester.digest((("a", [1]),), {}).total == digester.digest((), {}).total
    assert digester.digest((("a", [1]),), {}).parts == ()
    assert digester.digest((("a", [2]),), {}).parts


def test_a_default_that_cannot_be_read_is_equal_to_itself_only() -> None:
    generator = (x for x in ())

    def step(source=generator): ...  # type: ignore[no-untyped-def]

    digester = ArgumentDigester(step)
    assert digester.digest((generator,), {}).total == digester.digest((), {}).total
    assert digester.digest(([],), {}).total != digester.digest((), {}).total


def test_other_arguments_are_other_calls() -> None:
    totals = {
        total(two, 1, 2),
        total(two, 2, 1),
        total(two, "1", 2),
        total(two, 1, "2"),
        total(two, (1, 2)),
        total(two, [1, 2]),
        total(two, None),
    }
    assert len(totals) == 7


def test_ignored_arguments_do_not_count() -> None:
    digester = ArgumentDigester(simple, ignore=("batch_size",))
    assert digester.digest(("a",), {"batch_size": iter(())}).total == total(simple, "a")
    assert "batch_size" in digester.digest(("a",), {"batch_size": 1}).bound
    assert ArgumentDigester(simple, ignore="feedback").digest((1,), {"feedback": 2}).parts[1:] == ()


@pytest.mark.parametrize(
    ("ignore", "message"),
    [
        (("batchsize",), r"simple\(\): ignore names 'batchsize'.*did you mean 'batch_size'\?"),
        (("zzz",), "it has prompt, batch_size, feedback"),
    ],
)
def test_an_unknown_name_to_ignore_is_an_error(ignore: tuple[str, ...], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        ArgumentDigester(simple, ignore=ignore)


def test_a_function_with_open_keywords_may_ignore_any_name() -> None:
    digester = ArgumentDigester(every, ignore=("client", "rest"))
    assert digester.digest((1, 2, 3, 4), {"d": 4, "client": object}).total == total(every, 1, d=4)


def test_parts_name_the_arguments_that_count() -> None:
    one = ArgumentDigester(simple).digest(("a",), {"feedback": "x"})
    other = ArgumentDigester(simple).digest(("b",), {"feedback": "x"})
    assert [name for name, _ in one.parts] == ["feedback", "prompt"]
    assert one.parts[0] == other.parts[0] and one.parts[1] != other.parts[1]
    assert all(len(digest) == 12 for _, digest in one.parts)
    assert repr(one) == f"Digest('{one.total}', feedback, prompt)"
    assert len(one.total) == 32


def test_large_arguments_count_in_full() -> None:
    assert total(two, "x" * 10_000) != total(two, "x" * 9_999 + "y")


BINDINGS: list[tuple[Any, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    (every, (1,), {"d": 4}, {"a": 1, "d": 4}),
    (every, (1, 2, 3, 4, 5), {"d": 4}, {"a": 1, "b": 2, "c": 3, "rest": (4, 5), "d": 4}),
    (every, (1,), {"d": 4, "z": 9, "c": 7}, {"a": 1, "d": 4, "z": 9, "c": 7}),
    (
        every,
        (1,),
        {"d": 4, "a": "extra", "rest": "r", "more": "m"},
        {"a": 1, "d": 4, "**a": "extra", "**rest": "r", "more": "m"},
    ),
    (two, (), {"y": 1, "x": 2}, {"y": 1, "x": 2}),
    (simple, ("p",), {}, {"prompt": "p"}),
    (positional_only, (), {}, {}),
]


@pytest.mark.parametrize(("fn", "args", "kwargs", "bound"), BINDINGS)
def test_arguments_are_bound_by_name_and_can_be_called_again(
    fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], bound: dict[str, Any]
) -> None:
    digester = ArgumentDigester(fn)
    assert digester.bind(args, kwargs) == bound

    @functools.wraps(fn)
    def capture(*args: Any, **kwargs: Any) -> Any:
        import inspect

        return inspect.signature(fn).bind(*args, **kwargs).arguments

    again, keywords = digester.call_args(bound)
    assert capture(*again, **keywords) == capture(*args, **kwargs)


def test_gaps_before_what_must_be_positional_are_filled_with_defaults() -> None:
    digester = ArgumentDigester(positional_only)
    assert digester.call_args({"b": 7}) == ((1, 7), {})
    assert digester.call_args({"c": 7}) == ((), {"c": 7})
    every_digester = ArgumentDigester(every)
    assert every_digester.call_args({"a": 1, "rest": (9,), "d": 0}) == ((1, 2, 3, 9), {"d": 0})


@given(
    st.lists(st.integers(), max_size=5),
    st.dictionaries(st.sampled_from(["c", "d", "e", "a", "z", "rest"]), st.integers(), max_size=5),
)
def test_binding_agrees_with_python(args: list[int], kwargs: dict[str, int]) -> None:
    def probe(a, b=2, /, c=3, *rest, d, e=5, **more):  # type: ignore[no-untyped-def]
        return a, b, c, rest, d, e, more

    digester = ArgumentDigester(probe)
    try:
        expected = probe(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            digester.bind(tuple(args), kwargs)
        return
    again, keywords = digester.call_args(digester.bind(tuple(args), kwargs))
    assert probe(*again, **keywords) == expected


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, r"two\(\) missing a required argument: 'x'"),
        ((1, 2, 3), {}, r"two\(\) too many positional arguments"),
        ((1,), {"x": 1}, r"two\(\) multiple values for argument 'x'"),
        ((1,), {"z": 1}, r"two\(\) got an unexpected keyword argument 'z'"),
    ],
)
def test_wrong_arguments_are_python_s_own_error(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        ArgumentDigester(two).digest(args, kwargs)


def test_an_argument_that_cannot_be_read_is_named_with_the_way_out() -> None:
    with pytest.raises(UnsavableError) as caught:
        ArgumentDigester(two).digest(([1, {"k": (x for x in ())}],), {})
    assert str(caught.value) == (
        "two(): the argument 'x'[1]['k'] is a generator, which cannot be read without using it up, "
        "so this call could not be told from another one on a resume. Pass plain data instead (a "
        "list for a generator, a path for an open file), or leave it out of the identity: "
        'ignore=("x",)'
    )
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UnsavableError, match="'x' is nested too deeply"):
        ArgumentDigester(two).digest((deep,), {})
    with pytest.raises(UnsavableError, match="the argument 'a' is a generator"):
        ArgumentDigester(every).digest((1,), {"d": 1, "a": (x for x in ())})


def test_a_decorated_function_is_bound_by_the_signature_of_what_it_wraps() -> None:
    @functools.wraps(two)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    assert ArgumentDigester(outer, ignore=("y",)).bind((1,), {"y": 2}) == {"x": 1, "y": 2}
    assert ArgumentDigester(outer).names == ("x", "y")


def test_what_is_no_plain_function_is_bound_by_its_signature() -> None:
    class Model:
        def __init__(self, name, size=1): ...  # type: ignore[no-untyped-def]

        def ask(self, question, /, *, loud=False): ...  # type: ignore[no-untyped-def]

        def __call__(self, x, *rest, **more): ...  # type: ignore[no-untyped-def]

    assert ArgumentDigester(Model).bind(("m",), {}) == {"name": "m"}
    ask = ArgumentDigester(Model("m").ask)
    assert ask.bind(("why",), {"loud": True}) == {"question": "why", "loud": True}
    assert ask.call_args({"question": "why"}) == (("why",), {})
    call = ArgumentDigester(Model("m"))
    assert call.bind((1, 2), {"z": 3}) == {"x": 1, "rest": (2,), "z": 3}
    part = ArgumentDigester(functools.partial(two, y=5))
    assert part.bind((1,), {}) == {"x": 1}
    assert ArgumentDigester(lambda: 0).names == ()
    assert ArgumentDigester(functools.partial(two, 1, 2)).bind((), {}) == {}


def test_a_function_that_tells_no_signature_takes_everything() -> None:
    digester = ArgumentDigester(type)
    assert digester.bind((1, 2), {"k": 3}) == {"args": (1, 2), "k": 3}
    assert digester.call_args({"args": (1, 2), "k": 3}) == ((1, 2), {"k": 3})


def test_a_signature_that_was_set_by_hand_counts() -> None:
    import inspect

    def fn(*args: Any) -> None: ...

    fn.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("z", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    )
    assert ArgumentDigester(fn).names == ("z",)


def test_names_list_everything() -> None:
    assert dict(ArgumentDigester(every).defaults) == {"b": 2, "c": 3, "e": 5}
    assert ArgumentDigester(every).names == ("a", "b", "c", "d", "e", "rest", "more")


PROBE = """
from dataclasses import dataclass
from enum import Enum
from surefoot.fingerprint.arguments import ArgumentDigester

class Colour(Enum):
    RED = 1

@dataclass
class Item:
    tags: set
    meta: dict

class Plain:
    def __init__(self):
        self.b, self.a = {"x", "y", "z"}, frozenset("pqrs")

def step(*args, **kwargs): ...

print(ArgumentDigester(step).digest(
    ({"a", "b", "c", 1, None}, {"x": 1, "y": {2, 3}}, Item({"t", "u"}, {"k": Colour.RED}), Plain()),
    {"f": lambda x: x in {"a", "b", "c"}, "z": 1, "y": 2.5},
).total)
"""


def test_a_digest_is_the_same_in_every_process() -> None:
    """Whatever the seed of Python's hashes, and so the order of its sets."""
    totals = {
        subprocess.run(
            [sys.executable, "-c", PROBE],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(totals) == 1


def test_digests_stay_what_they_are() -> None:
    """A change here makes every recorded call unknown: then the version of the journal has to say so."""
    assert total(two, "hello", [1, 2.5, None, True, {"a": (b"x",)}]) == (
        "c81f186a26fd8f85c8374b591efabbd3"
    )


def test_it_is_known_whether_a_function_takes_whatever_it_is_given() -> None:
    def plain(a: int) -> None: ...
    def open_(a: int, **more: int) -> None: ...

    assert not ArgumentDigester(plain).takes_more and ArgumentDigester(open_).takes_more
