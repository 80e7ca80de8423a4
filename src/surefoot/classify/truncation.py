"""Was the text cut off? A model that ran out of tokens leaves JSON that ends in the middle.

Asking again cuts it again, so this is told from JSON that is merely wrong.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from surefoot.classify.safely import attribute

__all__ = ["HasText", "is_truncated"]

_SAYS_SO = re.compile(
    r"EOF while parsing|Unterminated string|unterminated string|[Uu]nexpected end of"
    r"|Input data was truncated|unexpected EOF|premature end of"
)
# What may stand between the place where the parser gave up and the end of a text that was cut off:
# the beginning of a literal, of a number's fraction or exponent, of an escape.
_STUMPS = (
    ("Expecting value", re.compile(r"(?:t|tr|tru|f|fa|fal|fals|n|nu|nul|-)\s*\Z")),
    ("Expecting ',' delimiter", re.compile(r"(?:\.|[eE][+-]?)\s*\Z")),
    ("Invalid \\uXXXX escape", re.compile(r"\\?u?[0-9a-fA-F]{0,3}\Z")),
)
_LOOK = 32


class HasText(Protocol):
    @property
    def text(self) -> str: ...


def is_truncated(exc: Any, facts: HasText) -> bool:
    """Whether the error stands at the end of its document (``pos`` and ``doc`` of a
    JSONDecodeError), or the message says so.

    >>> import json
    >>> def cut(text):
    ...     try:
    ...         json.loads(text)
    ...     except ValueError as exc:
    ...         return is_truncated(exc, facts=None)
    >>> cut('{"a": [1, 2'), cut('{"a": tru'), cut('{"a" 1}'), cut("")
    (True, True, False, False)
    """
    doc, pos = attribute(exc, "doc"), attribute(exc, "pos")
    if not isinstance(doc, str) or not isinstance(pos, int) or not 0 <= pos <= len(doc):
        return _SAYS_SO.search(facts.text) is not None
    said = attribute(exc, "msg")
    message = said if isinstance(said, str) else ""
    if message.startswith("Unterminated string"):
        return True
    if len(doc) - pos >= _LOOK or not doc[:_LOOK].strip():
        return False  # far from the end; or nothing came at all, which is no truncation
    rest = doc[pos:]
    return not rest.strip() or any(
        message.startswith(start) and stump.match(rest) for start, stump in _STUMPS
    )
