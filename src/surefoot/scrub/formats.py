"""All formats, and the private keys, which have lines."""

from __future__ import annotations

from collections.abc import Iterator

from . import (
    formats_clouds,
    formats_code,
    formats_data,
    formats_models,
    formats_money,
    formats_talk,
)
from .engine import compiled
from .format import Format
from .hits import Hit

__all__ = ["FORMATS", "PRIVATE_KEY_TRIGGERS", "private_keys"]

# Of two that find the same, the first one names it: those that say more come before the general.
FORMATS: tuple[Format, ...] = (
    *formats_clouds.FORMATS,
    *formats_code.FORMATS,
    *formats_data.FORMATS,
    *formats_models.FORMATS,
    *formats_money.FORMATS,
    *formats_talk.FORMATS,
)

PRIVATE_KEY_TRIGGERS = (r"-----BEGIN ", r"PuTTY-User-Key-File-")

# RFC 7468; PuTTY's own form; either may stand in a text with its line ends escaped.
_PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----"
    r"|PuTTY-User-Key-File-[0-9]: "
)
_END = (
    r"-----END (?:[A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----"
    r"|Private-MAC: [0-9a-f]{40,64}"
)
# What follows a BEGIN line where no END does: headers, and lines of Base64 up to a blank one.
_BREAK = r"(?:\\{0,4}r)?(?:\r?\n|\\{1,4}n)[ \t]{0,40}"
_LINES = (
    rf"^(?:{_BREAK}|[ ])(?:[A-Za-z-]{{3,30}}:[ ][^\r\n\\]*{_BREAK}){{0,4}}(?:{_BREAK})?"
    rf"(?:[A-Za-z0-9+/=]+{_BREAK})*[A-Za-z0-9+/=]{{4,}}"
)


def private_keys(text: bytes) -> Iterator[Hit]:
    """Keys between their BEGIN and END lines. One that does not end goes on as far as its lines do.

    >>> [hit.end for hit in private_keys(b"-----BEGIN PRIVATE KEY-----\\nMIIE\\nabc=\\n\\nThe end")]
    [37]
    """
    ends = [found.end() for found in compiled(_END).finditer(text)]
    begins = [found.span() for found in compiled(_PRIVATE_KEY).finditer(text)]
    at = 0
    for number, (start, body) in enumerate(begins):
        limit = begins[number + 1][0] if number + 1 < len(begins) else len(text)
        while at < len(ends) and ends[at] <= body:
            at += 1
        if at < len(ends) and ends[at] <= limit:
            end = ends[at]
        else:
            match = next(compiled(_LINES).finditer(text[body : min(limit, body + 100_000)]), None)
            if match is None:
                continue  # a message about keys
            end = body + match.end()
        yield Hit(start, end, "private key", "private key")
