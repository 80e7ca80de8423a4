"""The one way out for text and values: what looks like a secret does not leave."""

from collections.abc import Iterable
from typing import Any

from .known import Watch, hide
from .marks import DROPPED, Hidden
from .names import is_secret_name
from .scrubber import Finding, Scrubber
from .settings import scrubber_from
from .text import scrub_text

__all__ = [
    "DROPPED",
    "Finding",
    "Hidden",
    "Scrubber",
    "Watch",
    "hide",
    "is_secret_name",
    "scrub",
    "scrub_text",
    "scrubber_from",
]


def scrub(value: Any, *, key: bytes | None = None, known: Iterable[str] = ()) -> Any:
    """``value`` in the same shape, without the secrets in it. The value itself is not changed.

    Texts go through :func:`scrub_text`, to which ``key`` and ``known`` are given on. A value under a
    secret's name is replaced as a whole. An object without fields that could be walked becomes
    ``"<its type>"``, since its ``repr`` may say anything. Never raises: what cannot be scrubbed is
    dropped.

    >>> scrub({"user": "ada", "password": "hunter2", "note": ["token=abc123", 7]})
    {'user': 'ada', 'password': '[secret]', 'note': ['token=[secret]', 7]}
    """
    return Scrubber(known=tuple(known), key=key).value(value)
