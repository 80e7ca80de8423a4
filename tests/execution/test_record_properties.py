"""Whatever a step was given and whatever it raised: there is a record, it is JSON, and no secret is in
it, nor half of one."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot import Runtime
from surefoot.execution.record import as_json, detail_of, raw_record, stack_of
from surefoot.execution.record.texts import BETWEEN, cleaned

SECRET = "Zq7vXw2LpR9tKb4M"
HALVES = (SECRET[:8], SECRET[-8:])


@dataclass
class Box:
    left: Any
    right: Any


class Odd(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def planted(text: str, padding: int, times: int) -> str:
    """The secret somewhere, as often as that: near the places where texts are cut, too."""
    return f"{text}{'x' * padding}{SECRET * times}{text}"


TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["password=", "'", '"', "\n", "authorization: ", BETWEEN, "-----BEGIN ", "\\"]),
    st.builds(planted, st.text(max_size=5), st.integers(0, 1_500), st.integers(1, 3)),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXTS,
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=15),
        st.dictionaries(st.one_of(TEXTS, st.integers()), inner, max_size=15),
        st.tuples(TEXTS, inner),
        st.builds(Box, inner, inner),
        st.builds(lambda one: deque([one, one]), inner),
        st.builds(lambda one: iter([one]), inner),
        st.builds(Odd, inner),
    ),
    max_leaves=20,
)
ERRORS = st.builds(
    lambda kind, said: kind(said), st.sampled_from([ValueError, KeyError, OSError, Odd]), VALUES
)


@pytest.fixture(scope="module")
def scrub() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_API_KEY", SECRET)
        yield Runtime().scrub_text


def raised(errors: list[BaseException], secret: Any) -> BaseException:
    """The errors, each the cause or the context of the next one; ``secret`` is a local of them all."""
    last: BaseException | None = None
    for n, error in enumerate(errors):
        try:
            try:
                if last is not None:
                    raise last
            finally:
                if n % 2:
                    raise error from last
                raise error
        except BaseException as exc:
            last = exc
    assert last is not None
    return last


@given(
    arguments=st.dictionaries(TEXTS, VALUES, max_size=6),
    errors=st.lists(ERRORS, min_size=1, max_size=4),
    crumbs=st.lists(
        st.tuples(st.floats(), st.sampled_from(["INFO", "ERROR"]), TEXTS, TEXTS), max_size=4
    ),
    notes=st.lists(TEXTS, max_size=3),
)
def test_a_record_is_json_without_secrets(
    scrub: Any,
    arguments: dict[str, Any],
    errors: list[BaseException],
    crumbs: list[tuple[float, str, str, str]],
    notes: list[str],
) -> None:
    exc = raised(errors, SECRET)
    exc.__notes__ = notes  # type: ignore[attr-defined]
    raw = raw_record(
        exc,
        arguments=arguments,
        digests=dict.fromkeys(arguments, "0" * 12),
        crumbs=deque(crumbs),
        code="ast:0",
        keep_locals=True,
    )
    clean = cleaned(raw, scrub)
    text = as_json(detail_of(clean))
    assert text is not None

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    detail = json.loads(text, parse_constant=no_constant)
    assert set(detail["inputs"].keys()) or not arguments
    assert len(detail["inputs"]) <= 30 and len(detail["frames"]) <= 40
    assert all(len(one["preview"]) <= 200 for one in detail["inputs"].values())
    assert detail["frames"][-1]["function"].endswith("raised")
    stack = stack_of(clean, "x")
    everything = text + stack + json.dumps(detail, ensure_ascii=False)
    for half in HALVES:
        assert half not in everything
