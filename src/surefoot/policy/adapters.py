"""Adapters: what an argument becomes in the next attempt. Any ``(value, failure) -> value`` is one.

One that gives back what it was given ends its rung: the next rung's turn has come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import DefinitionError

__all__ = ["Split", "grow", "halve", "last_error", "split", "truncate"]


@dataclass(frozen=True)
class halve:  # noqa: N801  reads as a verb in adapt(batch_size=halve(minimum=1))
    """An adapter: half of a number, never below ``minimum``.

    >>> halve(minimum=1)(5, None)
    2
    """

    minimum: float = 1

    def __call__(self, value: Any, failure: Any) -> Any:
        half = value // 2 if isinstance(value, int) else value / 2
        # what is at the floor already stays as it is: that ends the rung
        return value if value <= self.minimum else max(half, type(value)(self.minimum))


@dataclass(frozen=True)
class truncate:  # noqa: N801
    """An adapter: the first ``ratio`` of a text or a list, never below ``minimum`` elements.

    >>> truncate(0.5)("abcdef", None)
    'abc'
    """

    ratio: float = 0.7
    minimum: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise DefinitionError(f"truncate({self.ratio!r}): the ratio lies between 0 and 1")

    def __call__(self, value: Any, failure: Any) -> Any:
        return value[: max(self.minimum, int(len(value) * self.ratio))]


@dataclass(frozen=True)
class grow:  # noqa: N801
    """An adapter: a number times ``factor``, never above ``maximum``: for an output limit that cut
    an answer off.

    >>> grow(2, maximum=4096)(1024, None), grow(2, maximum=4096)(4096, None)
    (2048, 4096)
    """

    factor: float = 2.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise DefinitionError(f"grow({self.factor!r}): the factor is above 1")

    def __call__(self, value: Any, failure: Any) -> Any:
        if self.maximum is not None and value >= self.maximum:
            return value
        grown = value * self.factor
        if self.maximum is not None:
            grown = min(grown, self.maximum)
        # a whole number stays one: a limit of 1536.0 tokens is refused
        return type(value)(grown)


def last_error(value: Any, failure: Any) -> Any:
    """An adapter: what was wrong with a model's answer, to hand back to the model:
    ``on("malformed_output").adapt(feedback=last_error)``.

    Only what is said about the answer itself is handed on. The text of an API's error is not: it
    says nothing to a model, and may hold what it should not see. Then the argument stays as it is.

    >>> class Failed:
    ...     feedback = "Expecting ',' delimiter: line 1 column 20"
    >>> last_error(None, Failed())
    "Expecting ',' delimiter: line 1 column 20"
    """
    said = failure.feedback
    return value if said is None else said


@dataclass(frozen=True)
class Split:
    """See :func:`split`."""

    join: Callable[[list[Any]], Any] | None = None
    minimum: int = 1

    def __call__(self, value: Any, failure: Any) -> Any:
        """Both halves as :class:`Parts`; the value itself where it is small enough."""
        if len(value) <= self.minimum or len(value) < 2:
            return value
        middle = (len(value) + 1) // 2
        return Parts((value[:middle], value[middle:]))

    def put_together(self, results: list[Any]) -> Any:
        """One result for the whole."""
        if self.join is not None:
            return self.join(results)
        return _concatenated(results)


class Parts(NamedTuple):
    """The parts that an argument was split into."""

    values: tuple[Any, ...]


def split(join: Callable[[list[Any]], Any] | None = None, *, minimum: int = 1) -> Split:
    """An adapter: do it in two halves, and put their results together:
    ``on("gpu_out_of_memory").adapt(texts=split())``.

    Each half climbs the ladder by itself and is split again where it has to be.

    :param join: makes one result of the parts' results, in their order; None puts lists, tuples,
        texts and mappings one after the other.
    :param minimum: what is no longer than that is not split.
    :raises DefinitionError: for a ``minimum`` below 1.

    >>> split()([1, 2, 3], None).values
    ([1, 2], [3])
    """
    if not isinstance(minimum, int) or minimum < 1:
        raise DefinitionError(f"split(minimum={minimum!r}) must be a whole number of at least 1")
    return Split(join, minimum)


def _concatenated(results: Sequence[Any]) -> Any:
    first = results[0]
    if isinstance(first, (list, tuple, str)) and all(type(one) is type(first) for one in results):
        whole = first
        for one in results[1:]:
            whole = whole + one
        return whole
    if isinstance(first, dict) and all(isinstance(one, dict) for one in results):
        return {key: value for one in results for key, value in one.items()}
    names = ", ".join(sorted({type(one).__name__ for one in results}))
    raise TypeError(
        f"split() cannot put results of type {names} together; say how: split(join=lambda parts: …)"
    )
