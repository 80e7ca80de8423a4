"""What a decorator found out about a function, once, for all of its calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from ..codec import Codec
from ..fingerprint.arguments import ArgumentDigester
from ..fingerprint.source import source_digest
from ..model import Stage
from ..policy import Policy

if TYPE_CHECKING:
    from .apart import Isolation

__all__ = ["EffectOptions", "Happened", "NotHappened", "StepSpec"]

T_co = TypeVar("T_co", covariant=True)


class Happened(Generic[T_co]):
    """A ``verify`` says: the effect happened, and this was its result.

    >>> Happened("receipt-7").result
    'receipt-7'
    """

    def __init__(self, result: T_co) -> None:
        self.result = result

    def __repr__(self) -> str:
        return f"Happened({self.result!r})"


class NotHappened:
    """A ``verify`` says: the effect surely did not happen."""

    def __repr__(self) -> str:
        return "NotHappened()"


class EffectOptions:
    """What only an effect has."""

    __slots__ = ("compensate", "key", "match", "settle", "verify")

    def __init__(
        self,
        key: Callable[..., Any] | None,
        match: tuple[str, ...] | None,
        verify: Callable[..., Any] | None,
        settle: float | None,
        compensate: Callable[..., Any] | None,
    ) -> None:
        self.key = key
        self.match = match
        self.verify = verify
        self.settle = settle
        self.compensate = compensate


class HasPickleKey(Protocol):
    def pickle_key(self) -> bytes: ...


class StepSpec:
    """A step or an effect as its decorator left it."""

    __slots__ = (
        "_source",
        "check",
        "checkpoint",
        "codec",
        "cost",
        "digester",
        "effect",
        "fn",
        "form",
        "is_async",
        "isolation",
        "name",
        "policy",
        "resource",
        "stage",
    )

    def __init__(
        self,
        *,
        name: str,
        fn: Callable[..., Any],
        form: Literal["step", "effect"],
        is_async: bool,
        policy: Policy,
        stage: Stage | None,
        resource: str | None,
        checkpoint: bool | Literal["pickle"],
        digester: ArgumentDigester,
        codec: Codec,
        effect: EffectOptions | None,
        check: Callable[[Any], Any] | None = None,
        cost: Callable[[Any], Any] | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self.name = name
        self.fn = fn
        self.form = form
        self.is_async = is_async
        self.policy = policy
        self.stage = stage
        self.resource = resource
        self.checkpoint = checkpoint
        self.digester = digester
        self.codec = codec
        self.effect = effect
        self.check = check
        self.cost = cost
        self.isolation = isolation
        self._source: str | None = None

    @property
    def source(self) -> str:
        """The digest of the function's code; '' where nobody can tell."""
        if self._source is None:
            self._source = source_digest(self.fn) or ""
        return self._source

    def codec_for(self, keys: HasPickleKey) -> Codec:
        """The codec of this step's results; only for a pickling step does a key matter."""
        if self.checkpoint != "pickle":
            return self.codec
        return Codec.of(self.fn, allow_pickle=True, pickle_key=keys.pickle_key(), where=self.where)

    @property
    def where(self) -> str:
        return f"{self.form} {self.name}"
