"""Stand-ins look like the real exceptions as far as rules look."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from surefoot.catalog import load
from surefoot.catalog.examples import build, build_for, typical
from surefoot.classify import classify
from surefoot.errors import StepTimeout


def made(**example: Any) -> Any:
    return build({"type": "acme.errors.Error", **example})


def test_names_stand_along_the_mro() -> None:
    exc = made(bases=["acme.Base", "builtins.OSError"])
    names = [f"{each.__module__}.{each.__qualname__}" for each in type(exc).__mro__]
    assert names[:4] == ["acme.errors.Error", "acme.Base", "builtins.OSError", "builtins.Exception"]


def test_builtins_and_our_own_are_real() -> None:
    assert type(build({"type": "builtins.TimeoutError"})) is TimeoutError
    assert type(build({"type": "surefoot.errors.StepTimeout", "message": "x"})) is StepTimeout
    found = build({"type": "builtins.OSError", "errno": "ENOSPC", "message": "full"})
    assert isinstance(found, OSError) and found.errno == errno.ENOSPC
    assert isinstance(build({"type": "builtins.UnicodeEncodeError"}), UnicodeEncodeError)
    assert isinstance(build({"type": "builtins.UnicodeDecodeError"}), UnicodeDecodeError)


def test_a_response_has_status_headers_and_body() -> None:
    exc = made(status=429, headers={"retry-after": "7"}, body={"code": "x"}, response_body={"a": 1})
    assert exc.status_code == exc.response.status_code == 429
    assert exc.response.headers == {"retry-after": "7"}
    assert exc.body == {"code": "x"}
    assert exc.response._content == b'{"a": 1}'


def test_botocore_keeps_all_in_its_response() -> None:
    exc = made(
        status=503,
        headers={"x": "y"},
        body={"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"RetryAttempts": 4}},
    )
    assert exc.response["ResponseMetadata"] == {
        "RetryAttempts": 4,
        "HTTPStatusCode": 503,
        "HTTPHeaders": {"x": "y"},
    }
    assert made(body={"Error": {"Code": "x"}}).response == {
        "Error": {"Code": "x"},
        "ResponseMetadata": {},
    }


def test_the_rest_of_an_example() -> None:
    exc = made(
        sqlstate="40001",
        exit_code=-9,
        grpc="UNAVAILABLE",
        cause={"type": "acme.Cause"},
        context={"type": "acme.Context"},
        orig={"type": "acme.Orig"},
        members=[{"type": "acme.Member"}],
        args=["a", 1],
    )
    assert (exc.sqlstate, exc.returncode, exc.code().name) == ("40001", -9, "UNAVAILABLE")
    assert exc.details() == ""
    assert type(exc.__cause__).__qualname__ == "Cause"
    assert type(exc.__context__).__qualname__ == "Context"
    assert type(exc.orig).__qualname__ == "Orig"
    assert len(exc.exceptions) == 1
    assert exc.args == ("a", 1)


def test_what_an_example_lacks_is_told() -> None:
    with pytest.raises(ValueError, match="type is missing"):
        build({"message": "x"})
    with pytest.raises(ValueError, match="unknown key 'mesage'"):
        made(mesage="x")
    with pytest.raises(ValueError, match="there is no exception builtins.print"):
        build({"type": "builtins.print"})
    catalog = load(extra_rules={"rule": [{"id": "a.b", "kind": "dns", "class": "a.B"}]})
    with pytest.raises(ValueError, match=r"rule a.b: an example is missing"):
        build_for(catalog.rule("a.b"))


def test_the_typical_ones_are_what_they_are_called() -> None:
    catalog = load()
    kinds = {name: classify(exc, catalog=catalog).kind for name, exc in typical().items()}
    assert kinds == {
        "RateLimitError": "rate_limited",
        "ConnectError": "connection",
        "OSError": "disk_full",
        "KeyError": "bug",
        "unknown": "unknown",
        "hostile": "unknown",
    }
