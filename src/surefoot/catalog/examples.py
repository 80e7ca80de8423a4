"""Exceptions made from a rule's example, without the library that raises them.

Classes with the names of the real ones are made on the spot. They look like the real ones as far as
rules look: names along the MRO, attributes, a response with status, headers and body.
"""

from __future__ import annotations

import builtins
import errno
import json
from collections.abc import Mapping
from typing import Any

from surefoot.catalog.rule import Rule

__all__ = ["EXAMPLE_KEYS", "build", "build_for", "typical"]

EXAMPLE_KEYS = frozenset(
    (
        *("type", "bases", "message", "args", "attrs", "errno", "status", "headers", "body"),
        *("response_body", "sqlstate", "grpc", "exit_code", "cause", "context", "orig", "members"),
        *("stage", "after_inference", "wait", "retries"),
    )
)
"""The last four are no part of the exception: where it happens, and what is expected besides."""


class Response:
    """What clients give as ``.response``: read already, as after ``response.json()``."""

    def __init__(self, status: int | None, headers: Mapping[str, str], body: Any) -> None:
        self.status_code = status
        self.headers = dict(headers)
        self._content = b"" if body is None else json.dumps(body).encode()


class _Code:
    def __init__(self, name: str) -> None:
        self.name = name


def build(example: Mapping[str, Any]) -> BaseException:
    """The exception that ``example`` describes.

    :raises ValueError: for a key that examples do not have, or a type that is missing.

    >>> error = build({"type": "openai.RateLimitError", "message": "slow down", "status": 429})
    >>> type(error).__module__, str(error), error.status_code
    ('openai', 'slow down', 429)
    """
    for key in example:
        if key not in EXAMPLE_KEYS:
            raise ValueError(f"example: unknown key {key!r}; known are {', '.join(EXAMPLE_KEYS)}")
    if "type" not in example:
        raise ValueError("example: type is missing")
    cls = _class(example["type"], [*example.get("bases", ())])
    exc = _instance(cls, example)
    for name, value in {**_response(example), **_values(example)}.items():
        setattr(exc, name, value)
    if "cause" in example:
        exc.__cause__ = build(example["cause"])
    if "context" in example:
        exc.__context__ = build(example["context"])
    return exc


def build_for(rule: Rule) -> BaseException:
    """The exception of a rule's own example.

    :raises ValueError: if it has none, or one that is written wrongly.
    """
    if rule.example is None:
        raise ValueError(f"rule {rule.id}: an example is missing")
    first = {"type": rule.classes[0]} if rule.classes else {}
    return build({**first, **rule.example})


def typical() -> Mapping[str, BaseException]:
    """Exceptions to measure :func:`surefoot.classify.classify` with.

    >>> sorted(typical())
    ['ConnectError', 'KeyError', 'OSError', 'RateLimitError', 'hostile', 'unknown']
    """
    limited = build(
        {
            "type": "openai.RateLimitError",
            "bases": ["openai.APIStatusError", "openai.APIError", "openai.OpenAIError"],
            "message": "Error code: 429 - Rate limit reached for gpt-4o in organization org-1 on "
            "tokens per min (TPM): Limit 30000, Used 29000. Please try again in 1.574s.",
            "status": 429,
            "headers": {
                "content-type": "application/json",
                "retry-after-ms": "1574",
                "retry-after": "2",
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-requests": "499",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1.574s",
                "x-request-id": "req_0123456789",
            },
            "body": {"message": "slow", "type": "tokens", "code": "rate_limit_exceeded"},
        }
    )
    unreachable = build(
        {
            "type": "httpx.ConnectError",
            "bases": ["httpx.NetworkError", "httpx.TransportError", "httpx.HTTPError"],
            "message": "[Errno 111] Connection refused",
            "cause": {
                "type": "httpcore.ConnectError",
                "message": "[Errno 111] Connection refused",
                "cause": {
                    "type": "builtins.ConnectionRefusedError",
                    "errno": "ECONNREFUSED",
                    "message": "Connection refused",
                },
            },
        }
    )
    return {
        "RateLimitError": limited,
        "ConnectError": unreachable,
        "OSError": OSError(errno.ENOSPC, "No space left on device"),
        "KeyError": KeyError("price"),
        "unknown": build({"type": "acme.errors.Odd", "message": "the flux is out of phase"}),
        "hostile": RuntimeError("a" * 1_000_000),
    }


def _class(name: str, bases: list[str]) -> type[BaseException]:
    real = _real(name)
    if real is not None:
        return real
    parent = _class(bases[0], bases[1:]) if bases else Exception
    module, _, qualname = name.rpartition(".")
    # a qualified name such as openai.Outer.Inner cannot be told from a module: rules do not either
    return type(
        qualname.rpartition(".")[2],
        (parent,),
        {"__module__": module, "__qualname__": qualname, "__doc__": "A stand-in."},
    )


def _real(name: str) -> type[BaseException] | None:
    """Builtins, and Surefoot's own, are at hand."""
    module, _, qualname = name.rpartition(".")
    if module == "surefoot.errors":
        from surefoot import errors

        found = getattr(errors, qualname, None)
    elif module == "builtins":
        found = getattr(builtins, qualname, None)
    else:
        return None
    if not isinstance(found, type) or not issubclass(found, BaseException):
        raise ValueError(f"example: there is no exception {name}")
    return found


def _instance(cls: type[BaseException], example: Mapping[str, Any]) -> BaseException:
    message = example.get("message", "")
    if "args" in example:
        return cls(*example["args"])
    if "errno" in example:
        return cls(getattr(errno, example["errno"]), message)
    if issubclass(cls, UnicodeDecodeError):
        return cls("utf-8", b"\xe9", 0, 1, message)
    if issubclass(cls, UnicodeEncodeError):
        return cls("ascii", "\xe9", 0, 1, message)
    return cls(message) if message else cls()


def _values(example: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that stand on the exception itself."""
    values = dict(example.get("attrs", {}))
    if "sqlstate" in example:
        values["sqlstate"] = example["sqlstate"]
    if "exit_code" in example:
        values["returncode"] = example["exit_code"]
    if "grpc" in example:
        code = _Code(example["grpc"])
        values["code"] = lambda: code
        values["details"] = lambda: example.get("message", "")
    if "orig" in example:
        values["orig"] = build(example["orig"])
    if "members" in example:
        values["exceptions"] = tuple(build(each) for each in example["members"])
    return values


def _response(example: Mapping[str, Any]) -> dict[str, Any]:
    """What came from a server: status, headers, body, where clients keep them."""
    body, status = example.get("body"), example.get("status")
    headers = example.get("headers", {})
    if isinstance(body, Mapping) and ("Error" in body or "ResponseMetadata" in body):  # botocore
        metadata = dict(body.get("ResponseMetadata", {}))
        if status is not None:
            metadata["HTTPStatusCode"] = status
        if headers:
            metadata["HTTPHeaders"] = dict(headers)
        return {"response": {**body, "ResponseMetadata": metadata}}
    values: dict[str, Any] = {}
    if body is not None:
        values["body"] = body
    if status is not None:
        values["status_code"] = status
    if status is not None or headers or "response_body" in example:
        values["response"] = Response(status, headers, example.get("response_body"))
    return values
