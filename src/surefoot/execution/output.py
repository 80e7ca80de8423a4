"""``returns=`` and ``expect=``: a step's output is held against what it should be.

An output that does not fit is a failure of the attempt, with a kind, and climbs the ladder like any
other: the model is asked again, told what was wrong, or another one is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..codec.convert import convert
from ..errors import DefinitionError, InputError, UnexpectedOutput

__all__ = ["OneForEach", "OutputCheck", "no_nan"]

Expectation = Callable[[Any], Any]

_TEXTS = (str, bytes)


class OutputCheck:
    """What a step's output must be.

    :param returns: a type: a pydantic or msgspec model, a dataclass, a TypedDict, ``list[int]`` …
        An output of that type passes as it is, anything else is read as JSON would be; a text is
        parsed as JSON first, unless a text is what is asked for.
    :param expect: predicates. True or None passes; False, or a text that says what is wrong, does
        not; nor does one that raises.
    """

    __slots__ = ("_expect", "_returns", "_where")

    def __init__(self, returns: Any, expect: tuple[Expectation, ...], where: str) -> None:
        self._returns = returns
        self._expect = expect
        self._where = where

    def __call__(self, value: Any) -> Any:
        """The output as the step gives it on.

        :raises UnexpectedOutput: it is not what was asked for; its ``kind`` says in which way.
        """
        if self._returns is not None:
            value = self._typed(value)
        for predicate in self._expect:
            self._hold(predicate, value)
        return value

    def _typed(self, value: Any) -> Any:
        if _is_one(value, self._returns):
            return value
        if isinstance(value, _TEXTS) and self._returns not in _TEXTS:
            value = self._parsed(value)
        try:
            return convert(value, self._returns, name="output")
        except InputError as exc:
            raise UnexpectedOutput(f"{self._where}: {exc}") from exc

    def _parsed(self, text: Any) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:
            from ..classify.truncation import is_truncated  # the catalog: only a failure needs it

            cut = is_truncated(exc, _Text(str(exc)))
            raise UnexpectedOutput(
                f"{self._where}: output: expected JSON"
                f"{', which ends in the middle' if cut else ''}: {exc}",
                "output_truncated" if cut else "malformed_output",
            ) from exc

    def _hold(self, predicate: Expectation, value: Any) -> None:
        name = getattr(predicate, "__name__", repr(predicate))
        kind = getattr(predicate, "kind", "unexpected_output")
        try:
            verdict = predicate(value)
            if isinstance(verdict, str):
                passed, said = False, verdict
            else:
                passed, said = verdict is None or bool(verdict), f"{name} does not hold"
        except Exception as exc:
            told = f"{type(exc).__name__}: {exc}"
            raise UnexpectedOutput(f"{self._where}: output: {name}: {told}", kind) from exc
        if not passed:
            raise UnexpectedOutput(f"{self._where}: output: {said}", kind)


def _is_one(value: Any, annotation: Any) -> bool:
    try:
        return isinstance(annotation, type) and isinstance(value, annotation)
    except TypeError:  # a TypedDict or a Protocol is a type, and has no instances
        return False


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text


def expectations(expect: Any, where: str) -> tuple[Expectation, ...]:
    """``expect=`` as given, checked.

    :raises DefinitionError: something in it cannot be called.
    """
    if expect is None:
        return ()
    found = tuple(expect) if isinstance(expect, (list, tuple)) else (expect,)
    for one in found:
        if not callable(one):
            raise DefinitionError(
                f"{where}: expect={one!r} must be a function of the output, or a list of them"
            )
    return found


def no_nan(value: Any) -> str | None:
    """A predicate for ``expect=``: no number in the output is NaN; what it finds is a
    ``numerical_error``.

    Looks into lists, mappings and records (dataclasses, pydantic, msgspec and attrs models), arrays,
    data frames and tensors. None is no NaN, nor is a missing text.

    >>> no_nan([1.0, 2.5]) is None, no_nan({"score": [0.5, float("nan")]})
    (True, 'NaN at score[1]')
    """
    from .numbers import nan_in

    found = nan_in(value, "")
    return None if found is None else f"NaN at {found or 'the top'}"


no_nan.kind = "numerical_error"  # type: ignore[attr-defined]


class OneForEach:
    """The check of a step that works on several items at once: one result for each."""

    def __init__(self, inner: Callable[[Any], Any] | None, where: str, count: int) -> None:
        self._inner = inner
        self._where = where
        self.count = count

    def __call__(self, value: Any) -> Any:
        if self._inner is not None:
            value = self._inner(value)
        try:
            results = list(value) if not isinstance(value, (str, bytes, Mapping)) else None
        except TypeError:
            results = None
        if results is None or len(results) != self.count:
            has = f"{len(results)} results" if results is not None else f"a {type(value).__name__}"
            raise UnexpectedOutput(
                f"{self._where}: output: {has} for a batch of {self.count} items; return a list "
                "with one result for each item, in their order"
            )
        return value
