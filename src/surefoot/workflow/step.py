"""``@step`` and ``@effect``: a function that becomes one recoverable part of a workflow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from ..execution.spec import EffectOptions, StepSpec
from ..model import Stage
from ..policy import On
from .batch import Batch
from .checks import Options, check_names, make_spec
from .maps import map_async, map_sync
from .using import use_async, use_sync

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Bound", "Effect", "Step", "effect", "step"]

P = ParamSpec("P")
P2 = ParamSpec("P2")
R = TypeVar("R", covariant=True)
O = TypeVar("O")  # noqa: E741  the object of a method
T = TypeVar("T")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

OnFailure = Literal["quarantine", "halt"]
ItemId = Callable[[Any], Any]
Expect = Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None
Cost = Callable[[Any], Any]


class Step(Generic[P, R]):
    """A step: call it like the function it was made from.

    ``__wrapped__`` is that function, bare.
    """

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(
        self,
        fn: Callable[..., Any],
        options: Options,
        *,
        prefix: tuple[Any, ...] = (),
        spec: StepSpec | None = None,
    ) -> None:
        self._options = options
        self._prefix = prefix
        self._fn = fn
        self.spec = spec or make_spec(fn, options)
        self._is_async = self.spec.is_async
        functools.update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given: tuple[Any, ...] = (*self._prefix, *args) if self._prefix else args
        use: Callable[..., Any] = use_async if self._is_async else use_sync
        result: R = use(self.spec, given, kwargs)
        return result

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(
        self: Step[Concatenate[O, P2], S], instance: O, owner: Any = None
    ) -> Step[P2, S]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Self: ...  # a static method
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self._with_prefix((instance,))

    def _with_prefix(self, prefix: tuple[Any, ...]) -> Any:
        return type(self)(self._fn, self._options, prefix=prefix, spec=self.spec)

    def __repr__(self) -> str:
        return f"<{self.spec.form} {self.spec.name}>"

    # -- maps ---------------------------------------------------------------------------------

    @overload
    def map(  # type: ignore[misc]
        self: Callable[[list[T]], Coroutine[Any, Any, Sequence[S]]],
        items: Iterable[T],
        *,
        batch: int,
        workers: int = 8,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[T, S]]: ...
    @overload
    def map(  # type: ignore[misc]
        self: Callable[[list[T]], Sequence[S]],
        items: Iterable[T],
        *,
        batch: int,
        workers: int = 8,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[T, S]: ...
    @overload
    def map(  # type: ignore[misc, overload-overlap]
        self: Callable[[T], Coroutine[Any, Any, S]],
        items: Iterable[T],
        *,
        workers: int = 8,
        item_id: Callable[[T], Any] | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[T, S]]: ...
    @overload
    def map(
        self: Callable[[T], S],
        items: Iterable[T],
        *,
        workers: int = 8,
        item_id: Callable[[T], Any] | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[T, S]: ...
    def map(
        self,
        items: Iterable[Any],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
        batch: int | None = None,
    ) -> Any:
        """Use the step once for each item, with at most ``workers`` at the same time.

        Each item is a call of its own in the journal. An item that fails for good is set aside as a
        dead letter where its kind allows that (``on_failure="quarantine"``), or halts the map.

        :param item_id: gives an item's identity, where its contents may change between resumes.
        :param max_failure_ratio: from 20 items on, a larger share of failures halts the map.
        :param batch: so many items are given to the step at once, as a list, for which it returns a
            list with one result each. What is too large for the GPU, or has an item that cannot be
            done, is tried in two halves, down to single items.
        :returns: a :class:`Batch`; for an async step, a coroutine of it.
        :raises MapHalted: too many items failed.

        >>> @step
        ... def double(n: int) -> int:
        ...     return 2 * n
        >>> double.map([1, 2, 3]).results
        [2, 4, 6]
        """
        return self._map(items, False, {}, workers, item_id, on_failure, max_failure_ratio, batch)

    @overload
    def starmap(  # type: ignore[misc, overload-overlap]
        self: Callable[..., Coroutine[Any, Any, S]],
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[Sequence[Any], S]]: ...
    @overload
    def starmap(
        self: Callable[..., S],
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[Sequence[Any], S]: ...
    def starmap(
        self,
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Any:
        """Like :meth:`map`, with a sequence of positional arguments for each item.

        >>> @step
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> add.starmap([(1, 2), (3, 4)]).results
        [3, 7]
        """
        return self._map(items, True, {}, workers, item_id, on_failure, max_failure_ratio)

    def bind(self, **constants: Any) -> Bound[R]:
        """Fix arguments by name for a map: ``answer.bind(batch_size=8).map(prompts)``.

        :raises DefinitionError: an argument that the step does not have.
        """
        check_names(self._fn, constants, f"{self.spec.where}: bind()")
        return Bound(self, constants)

    def _map(
        self,
        items: Iterable[Any],
        star: bool,
        constants: Mapping[str, Any],
        workers: int,
        item_id: ItemId | None,
        on_failure: OnFailure,
        max_failure_ratio: float,
        batch: int | None = None,
    ) -> Any:
        run = map_async if self._is_async else map_sync
        return run(
            self.spec,
            items,
            star=star,
            prefix=self._prefix,
            constants=constants,
            workers=workers,
            item_id=item_id,
            on_failure=on_failure,
            max_failure_ratio=max_failure_ratio,
            batch=batch,
        )

    # -- variants -----------------------------------------------------------------------------

    def with_options(self, **options: Any) -> Self:
        """The same step with other options, named as in its decorator.

        :raises DefinitionError: an option that it does not have, or a bad value.

        >>> @step
        ... def load() -> int:
        ...     return 1
        >>> load.with_options(timeout=5.0).spec.policy.timeout
        5.0
        """
        changed = self._options.changed(options)
        return type(self)(self._fn, changed, prefix=self._prefix)


class Effect(Step[P, R]):
    """A step whose work must not be done twice."""


class StaticStep(Step[P, R]):
    """A step on a static method: the same on the class and on its objects."""

    def __get__(self, instance: Any, owner: Any = None) -> Self:
        return self


class StaticEffect(Effect[P, R]):
    """An effect on a static method."""

    def __get__(self, instance: Any, owner: Any = None) -> Self:
        return self


class ClassStep(Step[P, R]):
    """A step on a class method: gets the class it is reached through."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._with_prefix((owner if owner is not None else type(instance),))


class ClassEffect(Effect[P, R]):
    """An effect on a class method."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._with_prefix((owner if owner is not None else type(instance),))


class Bound(Generic[R]):
    """A step with some arguments fixed, for mapping over the others."""

    def __init__(self, of: Step[..., R], constants: Mapping[str, Any]) -> None:
        self._step = of
        self._constants = dict(constants)

    def bind(self, **constants: Any) -> Bound[R]:
        """Fix more arguments."""
        self._step.bind(**constants)
        return Bound(self._step, {**self._constants, **constants})

    @overload
    def map(
        self: Bound[Coroutine[Any, Any, Sequence[S]]],
        items: Iterable[T],
        *,
        batch: int,
        workers: int = 8,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[T, S]]: ...
    @overload
    def map(
        self: Bound[Sequence[S]],
        items: Iterable[T],
        *,
        batch: int,
        workers: int = 8,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[T, S]: ...
    @overload
    def map(  # type: ignore[overload-overlap]
        self: Bound[Coroutine[Any, Any, S]],
        items: Iterable[T],
        *,
        workers: int = 8,
        item_id: Callable[[T], Any] | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[T, S]]: ...
    @overload
    def map(
        self: Bound[S],
        items: Iterable[T],
        *,
        workers: int = 8,
        item_id: Callable[[T], Any] | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[T, S]: ...
    def map(
        self,
        items: Iterable[Any],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
        batch: int | None = None,
    ) -> Any:
        """See :meth:`Step.map`."""
        return self._step._map(
            items, False, self._constants, workers, item_id, on_failure, max_failure_ratio, batch
        )

    @overload
    def starmap(  # type: ignore[overload-overlap]
        self: Bound[Coroutine[Any, Any, S]],
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Coroutine[Any, Any, Batch[Sequence[Any], S]]: ...
    @overload
    def starmap(
        self: Bound[S],
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Batch[Sequence[Any], S]: ...
    def starmap(
        self,
        items: Iterable[Sequence[Any]],
        *,
        workers: int = 8,
        item_id: ItemId | None = None,
        on_failure: OnFailure = "quarantine",
        max_failure_ratio: float = 0.5,
    ) -> Any:
        """See :meth:`Step.starmap`."""
        return self._step._map(
            items, True, self._constants, workers, item_id, on_failure, max_failure_ratio
        )


def _made(fn: Any, options: Options) -> Any:
    """The step or effect for what a decorator was put on."""
    effect = options.form == "effect"
    if isinstance(fn, staticmethod):
        return (StaticEffect if effect else StaticStep)(fn.__func__, options)
    if isinstance(fn, classmethod):
        # in this order only: since Python 3.13 a classmethod no longer binds what it wraps
        return (ClassEffect if effect else ClassStep)(fn.__func__, options)
    return (Effect if effect else Step)(fn, options)


class _StepMaker:
    """``@step(…)`` with options, waiting for its function."""

    def __init__(self, options: Options) -> None:
        self._options = options

    @overload
    def __call__(self, fn: staticmethod[P, S]) -> StaticStep[P, S]: ...
    @overload
    def __call__(self, fn: Callable[P, S]) -> Step[P, S]: ...
    def __call__(self, fn: Any) -> Any:
        return _made(fn, self._options)


class _EffectMaker:
    def __init__(self, options: Options) -> None:
        self._options = options

    @overload
    def __call__(self, fn: staticmethod[P, S]) -> StaticEffect[P, S]: ...
    @overload
    def __call__(self, fn: Callable[P, S]) -> Effect[P, S]: ...
    def __call__(self, fn: Any) -> Any:
        return _made(fn, self._options)


@overload
def step(fn: staticmethod[P, S], /) -> StaticStep[P, S]: ...
@overload
def step(fn: Callable[P, S], /) -> Step[P, S]: ...
@overload
def step(
    *,
    name: str | None = None,
    stage: Stage | None = None,
    resource: str | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    recover: Sequence[On] = (),
    ignore: Sequence[str] = (),
    checkpoint: bool | Literal["pickle"] = True,
    returns: Any = None,
    expect: Expect = None,
    cost: Cost | None = None,
    max_cost: float | None = None,
    isolation: Literal["process"] | None = None,
    memory: int | None = None,
) -> _StepMaker: ...
def step(
    fn: Any = None,
    /,
    *,
    name: str | None = None,
    stage: Stage | None = None,
    resource: str | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    recover: Sequence[On] = (),
    ignore: Sequence[str] = (),
    checkpoint: bool | Literal["pickle"] = True,
    returns: Any = None,
    expect: Expect = None,
    cost: Cost | None = None,
    max_cost: float | None = None,
    isolation: Literal["process"] | None = None,
    memory: int | None = None,
) -> Any:
    """Make a function a step: its failures are known and handled, its result is kept.

    :param name: what the journal calls it; by default its ``__qualname__``.
    :param stage: where it stands; tells a data error from a model error.
    :param resource: what it depends on, e.g. ``"openai"``.
    :param timeout: seconds for one attempt. :param deadline: seconds for all, with their waits.
    :param attempts: how often a failing call is tried in all; 5 unless its kind says less.
    :param recover: overrides, as ``[on("rate_limited").retry(attempts=8)]``.
    :param ignore: names of arguments that do not belong to the call's identity, as clients.
    :param checkpoint: False keeps no result, so that a resume runs it again; ``"pickle"`` allows a
        signed pickle.
    :param returns: a type that the output must be, or can be read as: a pydantic or msgspec model, a
        dataclass, ``list[int]``; a text is parsed as JSON first. What does not fit is a failure.
    :param expect: a predicate of the output, or several; see docs/steps.md.
    :param cost: what an attempt cost, from its output: US dollars, or (dollars, tokens).
    :param max_cost: US dollars; no further attempt is begun once the call has cost as much.
    :param isolation: ``"process"`` runs each attempt in a child process, which is killed at the
        timeout and whose crash is a failure like others; see docs/isolation.md.
    :param memory: bytes that this process may use (Linux).
    :raises DefinitionError: at once, for anything that cannot work.

    >>> @step(stage="preprocessing", attempts=3)
    ... def clean(text: str) -> str:
    ...     return text.strip()
    >>> clean("  hello ")
    'hello'
    """
    options = Options(
        form="step",
        name=name,
        stage=stage,
        resource=resource,
        timeout=timeout,
        deadline=deadline,
        attempts=attempts,
        recover=tuple(recover),
        ignore=_names(ignore),
        checkpoint=checkpoint,
        returns=returns,
        expect=expect,
        cost=cost,
        max_cost=max_cost,
        isolation=isolation,
        memory=memory,
    )
    return _StepMaker(options) if fn is None else _made(fn, options)


@overload
def effect(fn: staticmethod[P, S], /) -> StaticEffect[P, S]: ...
@overload
def effect(fn: Callable[P, S], /) -> Effect[P, S]: ...
@overload
def effect(
    *,
    key: Callable[..., Any] | None = None,
    match: Sequence[str] | None = None,
    verify: Callable[..., Any] | None = None,
    settle: float | None = None,
    on_doubt: Literal["halt", "rerun"] = "halt",
    compensate: Callable[..., Any] | None = None,
    name: str | None = None,
    stage: Stage | None = None,
    resource: str | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    recover: Sequence[On] = (),
    ignore: Sequence[str] = (),
    cost: Cost | None = None,
    max_cost: float | None = None,
    isolation: Literal["process"] | None = None,
    memory: int | None = None,
) -> _EffectMaker: ...
def effect(
    fn: Any = None,
    /,
    *,
    key: Callable[..., Any] | None = None,
    match: Sequence[str] | None = None,
    verify: Callable[..., Any] | None = None,
    settle: float | None = None,
    on_doubt: Literal["halt", "rerun"] = "halt",
    compensate: Callable[..., Any] | None = None,
    name: str | None = None,
    stage: Stage | None = None,
    resource: str | None = None,
    timeout: float | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    recover: Sequence[On] = (),
    ignore: Sequence[str] = (),
    cost: Cost | None = None,
    max_cost: float | None = None,
    isolation: Literal["process"] | None = None,
    memory: int | None = None,
) -> Any:
    """Make a function an effect: a step whose work must not be done twice.

    Its intent is on disk before it acts. A failure that may have happened all the same is verified,
    or tried again under its key, or halts the run; see docs/effects.md.

    :param key: makes the idempotency key from the arguments (by their names); a second run with the
        same key gets the first one's result.
    :param match: arguments that must not differ under one key; by default all.
    :param verify: gets the arguments and returns ``Happened(result)`` or ``NotHappened()``.
    :param settle: seconds since the intent before a ``NotHappened()`` counts; by default ``timeout``.
    :param on_doubt: what to do where nothing can tell: ``"halt"`` or ``"rerun"``.
    :param compensate: the undo; gets the result, then the arguments if it takes more.

    The other options are those of :func:`step`.

    :raises DefinitionError: at once, for anything that cannot work.

    >>> @effect(key=lambda order_id: f"ship:{order_id}")
    ... def ship(order_id: int) -> str:
    ...     return "shipped"
    >>> ship
    <effect ship>
    """
    options = Options(
        form="effect",
        name=name,
        stage=stage,
        resource=resource,
        timeout=timeout,
        deadline=deadline,
        attempts=attempts,
        recover=tuple(recover),
        ignore=_names(ignore),
        checkpoint=True,
        on_doubt=on_doubt,
        effect=EffectOptions(
            key, tuple(match) if match is not None else None, verify, settle, compensate
        ),
        cost=cost,
        max_cost=max_cost,
        isolation=isolation,
        memory=memory,
    )
    return _EffectMaker(options) if fn is None else _made(fn, options)


def _names(ignore: Sequence[str]) -> tuple[str, ...]:
    return (ignore,) if isinstance(ignore, str) else tuple(ignore)
