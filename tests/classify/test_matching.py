"""Which rule decides: by code, class, value, message, in the order of the design."""

from __future__ import annotations

import errno
import json
from http import HTTPStatus
from typing import Any

import pytest

from surefoot.catalog import Catalog, load
from surefoot.catalog.examples import build
from surefoot.classify import classify
from surefoot.model import Evidence

BUILTIN = load()


def catalog(*rules: dict[str, Any], packages: list[str] | None = None) -> Catalog:
    """A catalog with built-in rules off the way: its own rules are for classes of ``acme``."""
    table = [{"id": f"own.{number}", **rule} for number, rule in enumerate(rules)]
    return load(extra_rules={"rule": table, "packages": packages or []})


def rule_of(exc: BaseException, where: Catalog = BUILTIN, **setting: Any) -> str:
    return classify(exc, catalog=where, **setting).rule


def error(**example: Any) -> BaseException:
    bases = example.pop("bases", ["acme.Middle", "acme.Base"])
    return build({"type": "acme.Leaf", "bases": bases, **example})


LEAF = {"kind": "dns", "class": "acme.Leaf"}
BASE = {"kind": "tls", "class": "acme.Base"}


def test_a_derived_class_wins_over_its_base_whatever_comes_first() -> None:
    assert rule_of(error(), catalog(BASE, LEAF)) == "own.1"
    assert rule_of(error(), catalog(LEAF, BASE)) == "own.0"
    assert rule_of(build({"type": "acme.Other", "bases": ["acme.Base"]}), catalog(LEAF, BASE)) == (
        "own.1"
    )


def test_an_exact_rule_is_about_the_class_itself_only() -> None:
    where = catalog({**BASE, "exact": True}, {"kind": "dns", "class": "acme.Base"})
    assert rule_of(build({"type": "acme.Base"}), where) == "own.0"
    assert rule_of(error(), where) == "own.1"


def test_the_bare_name_of_the_class_may_be_asked_for() -> None:
    where = catalog(
        {**BASE, "attr": {"__class__.__name__": "Leaf"}},
        {"kind": "dns", "class": "acme.Base", "attr": {"__class__.__name__": ["X", "Y*"]}},
    )
    assert rule_of(error(), where) == "own.0"
    assert rule_of(build({"type": "acme.Yes", "bases": ["acme.Base"]}), where) == "own.1"
    assert rule_of(build({"type": "acme.No", "bases": ["acme.Base"]}), where) == "none"


def test_a_class_with_a_condition_wins_over_the_class_alone() -> None:
    where = catalog(LEAF, {**LEAF, "status": 404}, {**LEAF, "status": 404, "message": "gone"})
    assert rule_of(error(), where) == "own.0"
    assert rule_of(error(status=404), where) == "own.1"
    assert rule_of(error(status=404, message="gone"), where) == "own.2"


def test_a_status_says_more_than_a_message() -> None:
    where = catalog({**LEAF, "message": "gone"}, {**LEAF, "status": 404})
    assert rule_of(error(status=404, message="gone"), where) == "own.1"
    assert rule_of(error(status=500, message="gone"), where) == "own.0"


def test_an_exact_status_wins_over_a_class_of_them() -> None:
    where = catalog({**LEAF, "status": "5xx"}, {**LEAF, "status": [503, 529]})
    assert rule_of(error(status=503), where) == "own.1"
    assert rule_of(error(status=502), where) == "own.0"


def test_a_code_wins_over_a_class() -> None:
    where = catalog(LEAF, {**BASE, "attr": {"code": "Insufficient_Quota"}})
    assert rule_of(error(attrs={"code": "insufficient_quota"}), where) == "own.1"
    assert rule_of(error(attrs={"code": "other"}), where) == "own.0"


def test_messages_are_searched_within_their_packages_before_those_of_everyone() -> None:
    anywhere = {"rule": [{"id": "own.any", "kind": "dns", "message": "seats"}]}
    scoped = catalog({"kind": "tls", "message": "seats"}, packages=["acme"])
    assert rule_of(error(message="no seats"), scoped) == "own.0"
    assert rule_of(build({"type": "beta.X", "message": "no seats"}), scoped) == "none"
    assert (
        rule_of(build({"type": "beta.X", "message": "no seats"}), load((), anywhere)) == "own.any"
    )


def test_dotted_packages_are_scopes_too() -> None:
    where = catalog({"kind": "tls", "status": 404}, packages=["acme.cloud"])
    inside = build({"type": "acme.cloud.api.Error", "status": 404})
    outside = build({"type": "acme.other.Error", "status": 404})
    assert rule_of(inside, where) == "own.0"
    assert rule_of(outside, where) == "generic.http_not_found"


def test_a_mistake_in_the_code_stays_one_whatever_its_message_says() -> None:
    assert rule_of(AssertionError("expected: rate limit exceeded")) == "builtins.assertion_error"
    assert rule_of(RuntimeError("rate limit exceeded")) == "generic.rate_words"


def test_control_flow_is_not_held_against_general_rules() -> None:
    found = classify(SystemExit(404), catalog=BUILTIN)
    assert (found.kind, found.category) == ("cancelled", "orchestration")

    class Pause(BaseException):
        status_code = 429

    assert classify(Pause(), catalog=BUILTIN).kind == "unknown"


@pytest.mark.parametrize(
    ("example", "rule"),
    [
        ({"status": 404}, "generic.http_not_found"),
        ({"attrs": {"status": "503"}}, "generic.http_unavailable"),
        ({"attrs": {"code": HTTPStatus.CONFLICT}}, "generic.http_conflict"),
        ({"attrs": {"http_status": 402}}, "generic.http_payment_required"),
        ({"attrs": {"code": 7}}, "none"),
        ({"attrs": {"code": True}}, "none"),
        ({"attrs": {"status_code": "abc"}}, "none"),
        ({"attrs": {"response": {"ResponseMetadata": {"HTTPStatusCode": 429}}}}, "generic.http_too_many"),
        ({"attrs": {"response": {"status": 429}}}, "generic.http_too_many"),
        ({"attrs": {"response": {}}}, "none"),
        ({"attrs": {"resp": type("R", (), {"status": "403"})()}}, "generic.http_forbidden"),
        ({"attrs": {"response": type("R", (), {"status_code": 599})()}}, "generic.http_other_server"),
        ({"attrs": {"response": object()}}, "none"),
        ({"attrs": {"sqlstate": "40P01"}}, "generic.sql_rollback"),
        ({"attrs": {"pgcode": "53300"}}, "generic.sql_connections"),
        ({"attrs": {"diag": type("D", (), {"sqlstate": "23505"})()}}, "generic.sql_unique"),
        ({"attrs": {"orig": type("O", (), {"pgcode": "23502"})()}}, "generic.sql_not_null"),
        ({"attrs": {"orig": type("O", (), {"sqlstate": "23502"})()}}, "generic.sql_not_null"),
        ({"attrs": {"sqlstate": 40001}}, "none"),
        ({"grpc": "UNAVAILABLE"}, "generic.grpc_unavailable"),
        ({"attrs": {"grpc_status_code": type("C", (), {"name": "ABORTED"})()}}, "generic.grpc_aborted"),
        ({"attrs": {"code": lambda: 1 / 0}}, "none"),
        ({"attrs": {"code": lambda: 1 / 0, "details": lambda: ""}}, "none"),
        ({"attrs": {"code": 3, "details": lambda: ""}}, "none"),
        ({"attrs": {"exitcode": -9}}, "generic.exit_killed"),
        ({"attrs": {"exit_code": 139}}, "generic.exit_crashed"),
        ({"attrs": {"returncode": True}}, "none"),
        ({"attrs": {"returncode": "137"}}, "none"),
        ({"message": "Could not resolve host: db"}, "generic.name_resolution"),
    ],
)  # fmt: skip
def test_values_are_read_wherever_libraries_keep_them(example: dict[str, Any], rule: str) -> None:
    assert rule_of(error(bases=[], **example)) == rule


def test_class_attributes_and_properties_are_read_too() -> None:
    class OfClass(Exception):
        sqlstate = "40001"

    class OfProperty(Exception):
        @property
        def status_code(self) -> int:
            return 429

    class OfGetattr(Exception):
        def __getattr__(self, name: str) -> Any:
            return 503 if name == "status" else None

    class OfGetattribute(Exception):
        def __getattribute__(self, name: str) -> Any:
            return 404 if name == "status" else super().__getattribute__(name)

    assert rule_of(OfClass()) == "generic.sql_rollback"
    assert rule_of(OfProperty()) == "generic.http_too_many"
    assert rule_of(OfGetattr()) == "generic.http_unavailable"
    assert rule_of(OfGetattribute()) == "generic.http_not_found"


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        (errno.EMFILE, "builtins.fd_exhausted"),
        (errno.EIO, "builtins.io_error"),
        (errno.EROFS, "builtins.permission"),
        (errno.EDQUOT, "builtins.disk_full"),
        (99_999, "none"),
    ],
)
def test_errors_of_the_system_go_by_their_errno(number: int, rule: str) -> None:
    assert rule_of(OSError(number, "x")) == rule


def test_an_errno_elsewhere_is_none_of_the_systems() -> None:
    where = catalog({"kind": "dns", "errno": "ENOSPC"})
    assert rule_of(error(attrs={"errno": 28}), where) == "none"
    assert rule_of(OSError(), where) == "none"


def test_attributes_are_followed_through_objects_keys_and_lists() -> None:
    where = catalog(
        {**LEAF, "attr": {"errors.0.reason": "quotaExceeded", "info.level": 3}},
        {**LEAF, "attr": {"flag": True}},
    )
    info = type("Info", (), {"level": 3})()
    exc = error(attrs={"errors": [{"reason": "QuotaExceeded"}], "info": info})
    assert rule_of(exc, where) == "own.0"
    assert rule_of(error(attrs={"errors": [], "info": info}), where) == "none"
    assert rule_of(error(attrs={"errors": {}, "info": info}), where) == "none"
    assert rule_of(error(attrs={"flag": True}), where) == "own.1"

    where = catalog({**LEAF, "attr": {"errors.*.parts.*.code": "x*"}})
    assert rule_of(
        error(attrs={"errors": [{}, {"parts": [{"code": 1}, {"code": "X1"}]}]}), where
    ) == ("own.0")
    assert rule_of(error(attrs={"errors": [{"parts": "x"}]}), where) == "none"
    assert rule_of(error(attrs={"errors": {}}), where) == "none"


def test_enums_are_compared_by_their_value_or_else_their_name() -> None:
    where = catalog({**LEAF, "attr": {"state": "pending"}})
    from enum import Enum

    class State(Enum):
        PENDING = 1
        OTHER = "pending"
        LAST = object()

    assert rule_of(error(attrs={"state": State.OTHER}), where) == "own.0"
    assert rule_of(error(attrs={"state": State.PENDING}), where) == "none"
    assert rule_of(error(attrs={"state": State.LAST}), where) == "none"
    assert rule_of(error(attrs={"state": object()}), where) == "none"


class Headers(dict):  # type: ignore[type-arg]
    """A mapping that is no plain dict."""


@pytest.mark.parametrize(
    "attrs",
    [
        {"body": {"error": {"code": "X1"}}},
        {"body": Headers({"error": {"code": "X1"}})},
        {"body": {"code": "X1"}},
        {"body": {"error": {"message": "no"}, "code": "X1"}},
        {"body": '{"error": {"code": "x1"}}'},
        {"body": b'[{"error": {"code": "x1"}}]'},
        {"response": {"error": {"code": "x1"}}},
        {"response": type("R", (), {"data": {"error": {"code": "x1"}}})()},
    ],
)
def test_codes_are_read_from_the_body_wherever_a_client_keeps_it(attrs: dict[str, Any]) -> None:
    where = catalog({**LEAF, "body": {"error.code": "x1"}})
    assert rule_of(error(attrs=attrs), where) == "own.0"


@pytest.mark.parametrize(
    "attrs",
    [
        {"body": None},
        {"body": "not json"},
        {"body": "{broken"},
        {"body": "[1, 2]"},
        {"body": "[" * 100_000},
        {"body": '{"a": "' + "a" * 300_000 + '"}'},
        {"body": 3},
        {"body": {"error": "x1"}},
        {"body": {"error": None}},
        {"body": {"error": {"message": "x1"}}},
        {"response": object()},
    ],
)
def test_a_body_that_is_none_matches_nothing(attrs: dict[str, Any]) -> None:
    where = catalog({**LEAF, "body": {"error.code": "x1"}})
    assert rule_of(error(attrs=attrs), where) == "none"


def test_an_error_that_is_a_list_is_gone_into() -> None:
    where = catalog({**LEAF, "body": {"error.*.code": "x1"}})
    assert rule_of(error(body={"error": [{"code": "y"}, {"code": "X1"}]}), where) == "own.0"
    assert rule_of(error(body={"error": [{"code": "y"}]}), where) == "none"


def test_a_response_that_was_read_has_a_body_and_one_that_was_not_is_left_alone() -> None:
    where = catalog({**LEAF, "body": {"error.code": "x1"}})
    assert rule_of(error(status=400, response_body={"error": {"code": "x1"}}), where) == "own.0"

    class Stream:
        status_code = 400

        @property
        def content(self) -> bytes:
            raise AssertionError("this would read from the network")

        def json(self) -> Any:
            raise AssertionError("so would this")

    assert rule_of(error(attrs={"response": Stream()}), where) == "generic.http_bad_request"


def test_the_stage_counts_and_so_does_an_inference_before() -> None:
    where = catalog(
        {**LEAF, "stage": "ingestion"}, {**LEAF, "stage": ["inference", "after_inference"]}
    )
    assert rule_of(error(), where) == "none"
    assert rule_of(error(), where, stage="ingestion") == "own.0"
    assert rule_of(error(), where, stage="inference") == "own.1"
    found = classify(error(), catalog=where, after_inference=True)
    assert (found.rule, found.evidence[1]) == ("own.1", Evidence("stage", "after an inference"))


def test_evidence_says_what_matched_and_keeps_the_message_to_itself() -> None:
    where = catalog({**LEAF, "status": "5xx", "stage": "inference", "message": "key .* gone"})
    found = classify(error(status=502, message="key sk-123 gone"), catalog=where, stage="inference")
    assert found.evidence == (
        Evidence("class", "acme.Leaf"),
        Evidence("stage", "inference"),
        Evidence("status", "5xx"),
        Evidence("message", "key .* gone"),
    )
    assert "sk-123" not in str(found.as_dict())


def broken(text: str) -> json.JSONDecodeError:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "ingestion", "inference"),
    [
        ('{"a": [1, 2', "parse_error", "output_truncated"),
        ('{"a": [1, 2   \n', "parse_error", "output_truncated"),
        ('{"a": "hal', "parse_error", "output_truncated"),
        ('{"a": tru', "parse_error", "output_truncated"),
        ('{"a": -', "parse_error", "output_truncated"),
        ('{"a": 1.', "parse_error", "output_truncated"),
        ('{"a": 1e', "parse_error", "output_truncated"),
        ('{"a": "\\u12', "parse_error", "output_truncated"),
        ('{"a": ', "parse_error", "output_truncated"),
        ('{"a"', "parse_error", "output_truncated"),
        ("{", "parse_error", "output_truncated"),
        ('{"a" 1}', "parse_error", "malformed_output"),
        ('{"a": 1} b', "parse_error", "malformed_output"),
        ("{'a': 1}", "parse_error", "malformed_output"),
        ("Sure! Here is the JSON:", "parse_error", "malformed_output"),
        ("t", "parse_error", "output_truncated"),
        ("   ", "empty_data", "malformed_output"),
        (" " * 600, "parse_error", "malformed_output"),
        (" " * 600 + "{'a': 1}", "parse_error", "malformed_output"),
        ('{"a": x' + "y" * 100, "parse_error", "malformed_output"),
        ("", "empty_data", "malformed_output"),
        ("<!DOCTYPE html>\n<html>502</html>", "server_error", "server_error"),
        ("\r\n  <html>502</html>", "server_error", "server_error"),
    ],
)
def test_json_that_is_cut_off_is_told_from_json_that_is_wrong(
    text: str, ingestion: str, inference: str
) -> None:
    exc = broken(text)
    assert classify(exc, catalog=BUILTIN, stage="ingestion").kind == ingestion
    assert classify(exc, catalog=BUILTIN, stage="inference").kind == inference
    assert classify(exc, catalog=BUILTIN, stage="postprocessing").kind == inference
    found = classify(exc, catalog=BUILTIN, after_inference=True)
    assert found.kind == inference
    if inference in ("malformed_output", "output_truncated"):
        assert found.category == "model"
        assert found.retryable == (inference == "malformed_output")


def test_texts_of_other_parsers_say_that_they_were_cut_off() -> None:
    exc = build({"type": "acme.E", "message": "1 error: EOF while parsing a list at line 1"})
    assert classify(exc, catalog=BUILTIN, stage="inference").kind == "output_truncated"
    where = catalog({**LEAF, "truncated": True}, {**LEAF, "truncated": False})
    assert rule_of(error(message="unexpected end of JSON input"), where) == "own.0"
    found = classify(error(message="strange"), catalog=where)
    assert found.evidence[1] == Evidence("truncated", "no")


def test_a_rule_says_where_it_differs_from_its_kind() -> None:
    where = catalog(
        {"class": "acme.Leaf", "kind": "rate_limited", "retryable": False, "category": "data"},
        {"class": "acme.Other", "kind": "auth", "retryable": True, "outcome": "refused"},
        {"class": "acme.Third", "kind": "auth", "recoverable": True},
    )
    found = classify(error(), catalog=where)
    assert (found.retryable, found.category, found.ladder[0].name) == (False, "data", "adapt")
    found = classify(build({"type": "acme.Other"}), catalog=where)
    assert (found.retryable, found.recoverable, found.outcome) == (True, True, "refused")
    assert [rung.name for rung in found.ladder] == ["retry", "fall_back", "halt"]
    found = classify(build({"type": "acme.Third"}), catalog=where)
    assert (found.retryable, found.recoverable) == (False, True)


def test_what_no_rule_knows_is_unknown_and_tried_once_more() -> None:
    found = classify(build({"type": "acme.Odd", "message": "hm"}), catalog=BUILTIN)
    assert (found.kind, found.rule, found.type) == ("unknown", "none", "acme.Odd")
    assert (found.message, found.outcome, found.evidence) == ("hm", "open", ())
    assert found.ladder[0].attempts == 2


@pytest.mark.parametrize(
    ("exc", "kind", "retryable", "outcome"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection", True, "refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection", True, "open"),
        (TimeoutError("x"), "timeout", True, "open"),
        (FileNotFoundError(errno.ENOENT, "x"), "not_found", False, "open"),
        (PermissionError(errno.EACCES, "x"), "permission", False, "open"),
        (MemoryError(), "host_out_of_memory", False, "open"),
        (RecursionError("x"), "recursion_limit", False, "open"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "x"), "encoding_error", False, "open"),
        (ModuleNotFoundError("No module named 'x'"), "misconfiguration", False, "open"),
        (KeyError("x"), "bug", False, "open"),
        (ValueError("x"), "invalid_value", False, "open"),
        (ZeroDivisionError("x"), "invalid_value", False, "open"),
        (KeyboardInterrupt(), "cancelled", False, "open"),
    ],
    ids=repr,
)
def test_the_interpreters_own_are_judged_as_users_would(
    exc: BaseException, kind: str, retryable: bool, outcome: str
) -> None:
    found = classify(exc, catalog=BUILTIN)
    assert (found.kind, found.retryable, found.outcome) == (kind, retryable, outcome)


def test_a_note_is_no_part_of_the_message() -> None:
    exc = RuntimeError("odd")
    exc.__dict__["__notes__"] = ["rate limit exceeded"]
    assert classify(exc, catalog=BUILTIN).kind == "unknown"
