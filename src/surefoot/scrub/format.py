"""What a format is: how a provider's secret looks, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .engine import compiled, literal
from .hits import Hit, free

__all__ = ["Format", "mixed", "no_words"]


class Format(NamedTuple):
    """The form of one kind of secret.

    ``starts`` are the texts that it begins with, separated by blanks, and ``body`` is a pattern for
    what follows. Where no text begins it, ``trigger`` is a pattern that is in each of them. If the
    pattern has a group, that is the secret, and the rest is what tells it (``infura.io/v3/(…)``).
    ``source`` is where its provider says so. ``check`` looks at what was found.

    >>> form = Format("acme token", "acme_ acmetest_", "[a-z]{5}", "https://acme.example")
    >>> [(hit.start, hit.end) for hit in form.find(b"acme_ab, acme_abcde, acmetest_abcde")]
    [(9, 19), (21, 35)]
    """

    name: str
    starts: str
    body: str
    source: str
    trigger: str = ""
    check: Callable[[bytes], bool] | None = None

    @property
    def pattern(self) -> str:
        starts = [literal(one) for one in self.starts.split()]
        if not starts:
            return self.body
        return (starts[0] if len(starts) == 1 else f"(?:{'|'.join(starts)})") + self.body

    @property
    def triggers(self) -> tuple[str, ...]:
        return (self.trigger,) if self.trigger else tuple(map(literal, self.starts.split()))

    def find(self, text: bytes) -> Iterator[Hit]:
        """Where it is in ``text``."""
        pattern = compiled(self.pattern)
        group = 1 if pattern.groups else 0
        for match in pattern.finditer(text):
            start, end = match.span(group)
            if not free(text, start, end) or _is_filler(text[start:end]):
                continue
            if self.check is None or self.check(text[start:end]):
                yield Hit(start, end, self.name, self.name)


def _is_filler(secret: bytes) -> bool:
    """Whether its end is a stand-in: ``sk-xxxxxxxxxxxx``, ``AKIA****************``."""
    return not secret[-8:].lower().strip(b"x*.-_0")


def mixed(secret: bytes) -> bool:
    """Whether it is no word: it has a digit, or capitals and small letters, in what ends it.

    >>> mixed(b"test_of_the_long_name"), mixed(b"test_a1b2c3"), mixed(b"live_abCdeFgh")
    (False, True, True)
    """
    body = secret[-20:]
    if any(48 <= one <= 57 for one in body):
        return True
    return body != body.lower() and body != body.upper()


def no_words(secret: bytes) -> bool:
    """Whether it is no chain of words with dashes.

    >>> no_words(b"sk-learn-pipeline-with-steps"), no_words(b"sk-abcdefghij"), no_words(b"sk-ab-c4-d")
    (False, True, True)
    """
    return mixed(secret) or not set(secret[3:]) & set(b"-_")
