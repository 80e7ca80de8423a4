"""Long texts, a piece at a time: cut where no secret is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .engine import compiled
from .scrubber import Found, Scrubber

__all__ = ["pieces"]

PIECE = 1 << 20
"""Bytes that are looked at together."""

_KEY = 64 << 10  # bytes of a private key, at most, that is waited for
_NEAR = 4 << 10  # bytes before the end that are left for the next piece where there are no lines

_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File-|\$ANSIBLE_VAULT;"
_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY|Private-MAC: "


def pieces(
    scrubber: Scrubber, read: Callable[[int], bytes], size: int = PIECE
) -> Iterator[tuple[bytes, list[Found]]]:
    """The whole of what ``read`` gives, in pieces, each with what is to be hidden in it.

    A piece ends with a line, and not within a private key. Where no line ends, it ends before the last
    4 KB, behind a secret.

    :param read: gives up to so many bytes, and none at the end.

    >>> import io
    >>> text = b"password=one\\npassword=two\\n" * 3
    >>> [len(found) for _, found in pieces(Scrubber(), io.BytesIO(text).read, size=40)]
    [3, 3]
    """
    left = b""
    while True:
        more = read(size)
        data = left + more
        if not more:
            if data:
                yield data, scrubber.found(data)
            return
        cut = _line_end(data)
        if cut > 0:
            left = data[cut:]
            yield data[:cut], scrubber.found(data[:cut])
        elif len(data) >= size + _KEY:
            found = scrubber.found(data)
            cut = _between(found, len(data))
            left = data[cut:]
            yield data[:cut], [one for one in found if one.start < cut]
        else:
            left = data


def _line_end(data: bytes) -> int:
    """Where the last line ends that is not in the middle of a private key; 0 if there is none."""
    cut = data.rfind(b"\n") + 1
    begins = [match.start() for match in compiled(_BEGIN).finditer(data)]
    if not begins:
        return cut
    last = begins[-1]
    ended = any(match.start() > last for match in compiled(_END).finditer(data[:cut]))
    if ended or len(data) - last > _KEY:
        return cut
    return data.rfind(b"\n", 0, last) + 1


def _between(found: list[Found], length: int) -> int:
    """A place near the end of a text without lines, behind what is hidden; what follows it closely is
    hidden with what is before it in sight, so it is not cut off."""
    cut = max(1, length - _NEAR)
    for one in found:
        if one.start < cut + 200:
            cut = max(cut, one.end)
    return cut
