"""What else an exception carries: causes, contexts, wrapped originals, members of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surefoot.classify.facts import Facts
from surefoot.classify.safely import attribute, fields

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["context_of", "explicit_causes", "is_exception", "members"]

# Attributes in which libraries keep what they wrap: SQLAlchemy; urllib and urllib3; redress; litellm;
# azure-core; dask; tenacity.
_WRAPPED = (
    *("orig", "reason", "last_exception", "original_exception", "inner_exception", "exception"),
    "last_attempt",
)
_ARGUMENTS_SEEN = 4
_MEMBERS_SEEN = 100


def is_exception(value: Any) -> TypeGuard[BaseException]:
    """Like isinstance, for objects that lie about their class or raise when they are asked."""
    return issubclass(type(value), BaseException)


def explicit_causes(facts: Facts) -> list[BaseException]:
    """What an exception was raised from on purpose.

    >>> error = ValueError("bad row")
    >>> error.__cause__ = KeyError("price")
    >>> explicit_causes(Facts(error))
    [KeyError('price')]
    """
    exc, own = facts.exc, facts.own
    found: list[BaseException] = []
    cause = attribute(exc, "__cause__")
    if cause is not None and is_exception(cause):
        found.append(cause)
    if own and not own.keys().isdisjoint(_WRAPPED):
        for name in _WRAPPED:
            value = own.get(name)
            if name == "last_attempt":  # tenacity; its future is done, but .exception() could wait
                value = fields(value).get("_exception")
            if value is not None and is_exception(value):
                found.append(value)
    arguments = attribute(exc, "args")
    if type(arguments) is tuple:
        for each in arguments[:_ARGUMENTS_SEEN]:
            if type(each) is not str and is_exception(each):
                found.append(each)
    return found


def context_of(exc: Any) -> BaseException | None:
    """What was being handled when ``exc`` was raised, unless it has a cause or hides it."""
    context = attribute(exc, "__context__")
    if context is None or attribute(exc, "__suppress_context__"):
        return None
    return context if is_exception(context) else None


def members(found: Any) -> list[BaseException]:
    """The members of an exception group, of which ``found`` is the attribute ``exceptions``.

    Known by that attribute, for Python 3.10 has no such class.
    """
    if type(found) not in (tuple, list):
        return []
    return [each for each in found[:_MEMBERS_SEEN] if is_exception(each)]
