"""What can be read off one exception, each thing when it is first asked for.

Nothing here does I/O: a response's body counts only if its client has read it already, and no method
of an exception is called but gRPC's ``code()``.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Mapping
from typing import Any

from surefoot.catalog.patterns import TEXT_LIMIT
from surefoot.catalog.plan import READ_NAMES
from surefoot.catalog.rule import FactKey
from surefoot.classify.safely import (
    attribute,
    fields,
    integer,
    is_mapping,
    item,
    text_of,
    word,
    words,
)
from surefoot.classify.truncation import is_truncated

__all__ = ["BODY_LIMIT", "Facts"]

BODY_LIMIT = 262_144
"""Bytes of a body that are parsed; a longer one is not an error message."""

_NONE: tuple[str, ...] = ()
_UNREAD: Any = object()


class Facts:
    """One exception, read lazily.

    ``own`` is what the instance holds. ``bare`` says that neither it nor its class has any of the
    attributes that are read off every exception, so that none has to be tried.

    >>> facts = Facts(OSError(28, "No space left on device"))
    >>> facts.values(("errno",))
    ('enospc',)
    """

    # what has not been read yet; set on the instance by then
    _text: str | None = None
    _body: Any = _UNREAD
    _truncated: bool | None = None

    def __init__(self, exc: Any, names: frozenset[str] = READ_NAMES) -> None:
        """:param names: the attributes that the class may answer; see :class:`Plan`."""
        self.exc = exc
        self.own = fields(exc)
        self._names = names
        self.bare = not self.own and not names
        self._values: dict[FactKey, tuple[str, ...]] = {}

    def get(self, name: str) -> Any:
        """The attribute ``name``, one of :data:`READ_NAMES`, or None."""
        if name in self._names:
            return attribute(self.exc, name)
        return self.own.get(name)

    @property
    def text(self) -> str:
        """The message, capped. Notes (PEP 678) are no part of it."""
        if self._text is None:
            self._text = text_of(self.exc, TEXT_LIMIT)
        return self._text

    @property
    def truncated(self) -> bool:
        """Whether what was read ends in the middle."""
        if self._truncated is None:
            self._truncated = is_truncated(self.exc, self)
        return self._truncated

    @property
    def body(self) -> Mapping[Any, Any] | None:
        """The body of the response, parsed, if someone has read it."""
        if self._body is _UNREAD:
            try:
                self._body = None if self.bare else _body_of(self)
            except BaseException:
                self._body = None
        found: Mapping[Any, Any] | None = self._body
        return found

    def values(self, key: FactKey) -> tuple[str, ...]:
        """What stands at ``key``, as text in lower case; empty if there is nothing."""
        values = self._values.get(key)
        if values is None:
            values = _NONE
            try:
                if key[0] == "attr" and len(key) == 2:  # most rules' way, without detours
                    found = word(getattr(self.exc, key[1], None))
                    values = _NONE if found is None else (found,)
                else:
                    values = _READERS[key[0]](self, key)
            except BaseException:
                values = _NONE
            self._values[key] = values
        return values

    def body_has(self, keys: frozenset[str]) -> bool:
        """Whether the body, or its ``error``, may have one of ``keys``; most bodies hold little."""
        body = self.body
        if type(body) is not dict:
            return body is not None
        if not body.keys().isdisjoint(keys):
            return True
        error = body.get("error")
        return not error.keys().isdisjoint(keys) if type(error) is dict else error is not None


def _body_of(facts: Facts) -> Mapping[Any, Any] | None:
    body = _parsed(facts.get("body"))
    if body is None:
        response = facts.get("response")
        if response is None:
            return None
        body = response if is_mapping(response) else _parsed(attribute(response, "data"))
        if body is None:
            body = _parsed(fields(response).get("_content"))  # httpx and requests, once it is read
    if isinstance(body, list) and len(body) == 1:
        body = body[0]  # Google wraps its error in a list where it streams
    return body if is_mapping(body) else None


def _parsed(raw: Any) -> Any:
    if raw is None or is_mapping(raw) or isinstance(raw, list):
        return raw
    if not isinstance(raw, (str, bytes, bytearray)) or not 2 <= len(raw) <= BODY_LIMIT:
        return None
    if raw[:1] not in ("{", "[", b"{", b"["):
        return None
    try:
        return json.loads(raw)
    except BaseException:  # a body nested ten thousand deep is a RecursionError
        return None


def _status(facts: Facts, key: FactKey) -> tuple[str, ...]:
    for name in ("status_code", "status", "code", "http_status"):
        found = _http(facts.get(name))
        if found:
            return found
    response = facts.get("response")
    if response is None:
        response = facts.get("resp")
    if response is None:
        return _NONE
    if is_mapping(response):
        metadata = item(response, "ResponseMetadata")
        return _http(item(metadata, "HTTPStatusCode")) or _http(item(response, "status"))
    return _http(attribute(response, "status_code")) or _http(attribute(response, "status"))


def _http(value: Any) -> tuple[str, ...]:
    number = integer(value) if value is not None else None
    if number is None or not 100 <= number <= 999:
        return _NONE
    return str(number), f"{number // 100}xx"


def _errno(facts: Facts, key: FactKey) -> tuple[str, ...]:
    if not isinstance(facts.exc, OSError):
        return _NONE
    number = integer(attribute(facts.exc, "errno"))
    name = errno.errorcode.get(number) if number is not None else None
    return _NONE if name is None else (name.lower(),)


def _sqlstate(facts: Facts, key: FactKey) -> tuple[str, ...]:
    orig = facts.get("orig")
    for found in (
        facts.get("sqlstate"),
        facts.get("pgcode"),
        attribute(facts.get("diag"), "sqlstate"),
        *((attribute(orig, "sqlstate"), attribute(orig, "pgcode")) if orig is not None else ()),
    ):
        if isinstance(found, str) and len(found) == 5:
            return (found.lower(),)
    return _NONE


def _grpc(facts: Facts, key: FactKey) -> tuple[str, ...]:
    code = facts.get("grpc_status_code")
    # code() is called only on what looks like a grpc.Call; elsewhere it could do anything
    if code is None and callable(facts.get("details")):
        method = facts.get("code")
        code = method() if callable(method) else None
    name = attribute(code, "name")
    return (name.lower(),) if isinstance(name, str) else _NONE


def _exit_code(facts: Facts, key: FactKey) -> tuple[str, ...]:
    for name in ("returncode", "exitcode", "exit_code"):
        found = facts.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return (str(int(found)),)
    return _NONE


def _attr(facts: Facts, key: FactKey) -> tuple[str, ...]:
    return words(facts.exc, key[1:])


def _in_body(facts: Facts, key: FactKey) -> tuple[str, ...]:
    body = facts.body
    found = words(body, key[1:])
    if not found and key[1] == "error" and len(key) > 2:
        # openai gives its body without the outer "error"
        found = words(body, key[2:])
    return found


_READERS: Mapping[str, Callable[[Facts, FactKey], tuple[str, ...]]] = {
    "attr": _attr,
    "body": _in_body,
    "status": _status,
    "errno": _errno,
    "sqlstate": _sqlstate,
    "grpc": _grpc,
    "exit_code": _exit_code,
}
