"""What ``.map`` gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar

__all__ = ["Batch", "Outcome"]

T = TypeVar("T")
R = TypeVar("R")

Status = Literal["completed", "quarantined"]


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What became of one item. ``result`` is None unless it is ``completed``; ``reason`` says why an
    item was set aside, and ``error`` is its last exception where this process has seen it."""

    index: int
    item: T
    status: Status
    result: R | None = None
    reason: str | None = None
    error: BaseException | None = field(default=None, compare=False)


class _Aside:
    """Stands in the list of results where an item has none."""

    __slots__ = ("error", "reason")

    def __init__(self, reason: str, error: BaseException | None) -> None:
        self.reason = reason
        self.error = error


class Batch(Generic[T, R]):
    """The results of a map, in the order of its items.

    It cannot be iterated, so that nobody zips it with the items although some of them failed:
    use :attr:`results`, :meth:`indexed` or :meth:`pairs`. ``len()`` counts the items.

    >>> batch = Batch(["a", "b"], [1, 2])
    >>> batch.results, batch.indexed(), batch.pairs(), len(batch)
    ([1, 2], [(0, 1), (1, 2)], [('a', 1), ('b', 2)], 2)
    """

    __slots__ = ("_items", "_values")

    def __init__(self, items: Sequence[T], values: Sequence[Any]) -> None:
        self._items = items
        self._values = values

    def __len__(self) -> int:
        return len(self._items)

    if not TYPE_CHECKING:  # for a type checker there is no way to iterate over it at all

        def __iter__(self) -> NoReturn:
            raise TypeError(
                "a Batch cannot be iterated, since items that failed have no result: use .results, "
                ".indexed() for (index, result) or .pairs() for (item, result)"
            )

    def __repr__(self) -> str:
        return f"<Batch of {len(self)}: {len(self.results)} completed>"

    @property
    def results(self) -> list[R]:
        """The results of the items that succeeded, in the items' order."""
        return [value for value in self._values if type(value) is not _Aside]

    def indexed(self) -> list[tuple[int, R]]:
        """(index of the item, result) of those that succeeded."""
        return [(i, value) for i, value in enumerate(self._values) if type(value) is not _Aside]

    def pairs(self) -> list[tuple[T, R]]:
        """(item, result) of those that succeeded."""
        return [
            (item, value)
            for item, value in zip(self._items, self._values)
            if type(value) is not _Aside
        ]

    @property
    def outcomes(self) -> list[Outcome[T, R]]:
        """One for each item."""
        return [self._outcome(i, value) for i, value in enumerate(self._values)]

    @property
    def quarantined(self) -> list[Outcome[T, R]]:
        """The items that were set aside as dead letters."""
        return [
            self._outcome(i, value) for i, value in enumerate(self._values) if type(value) is _Aside
        ]

    def _outcome(self, index: int, value: Any) -> Outcome[T, R]:
        item = self._items[index]
        if type(value) is _Aside:
            return Outcome(index, item, "quarantined", None, value.reason, value.error)
        return Outcome(index, item, "completed", value)
