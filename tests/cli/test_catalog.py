"""`surefoot catalog`: kinds, rules, and what an exception is taken for."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from surefoot.cli.standin import parse
from surefoot.model import BUILTIN_KINDS

from .conftest import Project

Squeezed = Callable[[str], str]


# -- list -----------------------------------------------------------------------------------------


def test_every_kind_is_listed(project: Project) -> None:
    told = project.run("catalog", "list").stdout
    assert all(f"\n{kind} " in told for kind in BUILTIN_KINDS)
    assert "retry(within=900, base=1, cap=60) → adapt → fall_back → skip → halt" in told
    listed = project.json("catalog", "list")
    assert {one["id"] for one in listed["kinds"]} == set(BUILTIN_KINDS)
    assert len(listed["rules"]) > 100


def test_the_rules_of_a_kind_and_of_a_library_are_listed(
    project: Project, squeezed: Squeezed
) -> None:
    told = project.json("catalog", "list", "--kind", "rate_limited", "--library", "openai")
    assert [one["id"] for one in told["kinds"]] == ["rate_limited"]
    assert told["rules"]
    assert {(one["kind"], one["library"]) for one in told["rules"]} == {("rate_limited", "openai")}
    assert all(one["source"] for one in told["rules"])
    text = squeezed(project.run("catalog", "list", "--kind", "rate_limited").stdout)
    assert text.startswith("rate_limited: ")
    assert "openai.rate_limited rate_limited openai.RateLimitError" in text
    kinds = {one["id"] for one in project.json("catalog", "list", "--library", "httpx")["kinds"]}
    assert "timeout" in kinds
    assert "gpu_fault" not in kinds


def test_a_teams_own_rules_are_among_them(project: Project, squeezed: Squeezed) -> None:
    project.write(
        "rules.toml",
        'library = "shop"\npackages = ["shop"]\n[kind.out_of_stock]\ncategory = "data"\n'
        '[[rule]]\nid = "shop.out"\nkind = "out_of_stock"\nclass = "shop.OutOfStock"\n'
        "status = [409]\nstage = ['ingestion']\nmessage = 'gone'\n",
    )
    project.write("surefoot.toml", "rules = ['rules.toml']\n")
    told = squeezed(project.run("catalog", "list", "--library", "shop").stdout)
    assert (
        "shop.out out_of_stock shop.OutOfStock, status 409, stage ingestion, message /gone/" in told
    )
    assert project.json("catalog", "explain", "out_of_stock")["category"] == "data"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["list", "--kind", "rate_limit"], "there is no kind 'rate_limit' (did you mean 'rate_lim"),
        (
            ["list", "--library", "opena"],
            "no rule is about 'opena' (did you mean 'openai'?); there",
        ),
        (["explain", "rate_limit"], "there is no kind 'rate_limit' (did you mean 'rate_limited'?)"),
        (
            ["explain", "timeout", "--status", "429"],
            "give a KIND, or --type, --message, --status, ",
        ),
        (["explain", "--status", "429", "--body", "{"], "--body is not JSON: "),
        (
            ["explain", "--body", "3"],
            '--body: expected a JSON object such as {"code": "x"}, found 3',
        ),
        (["explain", "--type", "a b.C"], "'a b.C' is no class: expected one such as openai.RateL"),
        (["explain", "--type", ""], "'' is no class: expected one such as openai.RateLimitError"),
        (
            ["explain", "--type", "NoSuchThing"],
            "'NoSuchThing' is no built-in exception, and no rule",
        ),
        (
            ["explain", "--type", "RateLimitError"],
            "'RateLimitError' may be anthropic.RateLimitError",
        ),
        (["explain", "--type", "builtins.Nix"], "builtins.Nix cannot be made: example: there "),
        (
            ["explain", "--type", "UnicodeTranslateError"],
            "builtins.UnicodeTranslateError cannot be",
        ),
        (
            ["explain"],
            "nothing to explain: name a KIND, give --type and --message, or pipe a trace",
        ),
    ],
)
def test_wrong_usage_says_what_and_what_to_do(
    project: Project, args: list[str], message: str
) -> None:
    assert project.run("catalog", *args, wanted=2).stderr.startswith(f"surefoot: {message}")
    assert project.json("catalog", *args, wanted=2)["error"]["exit_code"] == 2


# -- explain --------------------------------------------------------------------------------------


def test_a_kind_is_explained(project: Project, squeezed: Squeezed) -> None:
    told = squeezed(project.run("catalog", "explain", "quota_exhausted").stdout)
    assert told.startswith("quota_exhausted: Quota or credit used up\n")
    assert "recoverable no: a person must act first" in told
    assert "retryable no: the same call would fail again" in told
    assert "to do Top up the account" in told
    assert project.json("catalog", "explain", "quota_exhausted")["ladder"] == ["fall_back", "halt"]


def explained(project: Project, *args: str, stdin: str | None = None) -> str:
    kind: str = project.json("catalog", "explain", *args, stdin=stdin)["kind"]
    return kind


def test_an_exception_is_explained_by_its_parts(project: Project, squeezed: Squeezed) -> None:
    openai = ("--type", "openai.RateLimitError", "--status", "429")
    assert explained(project, *openai) == "rate_limited"
    assert explained(project, *openai, "--body", '{"code": "insufficient_quota"}') == (
        "quota_exhausted"
    )
    nested = '{"error": {"code": "insufficient_quota"}}'
    assert explained(project, *openai, "--body", nested) == "quota_exhausted"
    told = squeezed(project.run("catalog", "explain", *openai, "--message", "slow down").stdout)
    assert told.startswith("rate_limited: Rate limit reached\n")
    assert "exception openai.RateLimitError: slow down" in told
    assert "an effect was refused: surely not done" in told
    assert "rule openai." in told
    assert "because class: openai.RateLimitError" in told


def test_base_classes_may_be_given(project: Project) -> None:
    own = ("--type", "shop.Late", "--type", "httpx.ConnectTimeout", "--type", "httpx.HTTPError")
    assert explained(project, *own) == "timeout"
    assert explained(project, "--type", "shop.Late") == "unknown"


def test_the_stage_counts(project: Project) -> None:
    broken = ("--type", "json.decoder.JSONDecodeError", "--message", "Expecting value: line 1")
    assert explained(project, *broken, "--stage", "ingestion") == "parse_error"
    assert explained(project, *broken, "--stage", "inference") == "malformed_output"


def test_the_wait_that_the_server_asks_for_is_told(project: Project, squeezed: Squeezed) -> None:
    line = "openai.RateLimitError: Error code: 429 - Please try again in 1.574s."
    told = squeezed(project.run("catalog", "explain", stdin=line).stdout)
    assert "wait 1.57 s, as the server asks" in told


def test_secrets_in_a_traceback_are_left_out(project: Project) -> None:
    line = "ValueError: no; password=hunter22"
    assert "hunter22" not in project.run("catalog", "explain", stdin=line).stdout
    assert "hunter22" not in project.run("catalog", "explain", "--json", stdin=line).stdout


CHAIN = """\
some words of the program before
Traceback (most recent call last):
  File "flow.py", line 4, in inner
    sock.connect(address)
    ^^^^^^^^^^^^^^^^^^^^^
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "flow.py", line 9, in load
    raise RuntimeError("could not load\\nat all")
RuntimeError: could not load
at all
surefoot: step load failed as connection
"""

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "flow.py", line 11, in <module>
  |     raise ExceptionGroup("several", [...])
  | ExceptionGroup: several (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "flow.py", line 3, in f
    |     write()
    | OSError: [Errno 28] No space left on device
    +---------------- 3 ----------------
    | ExceptionGroup: inner (2 sub-exceptions)
    +-+---------------- 1 ----------------
      | KeyError: 'k'
      +---------------- 2 ----------------
      | TimeoutError
      +------------------------------------
"""


THROTTLED = (
    "botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when "
    "calling the InvokeModel operation: slow down"
)


def test_a_chain_of_tracebacks_is_read(project: Project) -> None:
    assert parse(CHAIN) == {
        "type": "builtins.RuntimeError",
        "message": "could not load\nat all",
        "cause": {
            "type": "builtins.ConnectionRefusedError",
            "message": "Connection refused",
            "errno": "ECONNREFUSED",
        },
    }
    assert explained(project, stdin=CHAIN) == "connection"


def test_a_group_is_read_with_its_members(project: Project) -> None:
    read = parse(GROUP)
    assert read["type"] == "builtins.ExceptionGroup"
    first, second, third = read["members"]
    assert first == {"type": "builtins.ValueError", "message": "a"}
    assert second["errno"] == "ENOSPC"
    assert [one["type"] for one in third["members"]] == [
        "builtins.KeyError",
        "builtins.TimeoutError",
    ]
    assert explained(project, stdin=GROUP) == "disk_full"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "httpx.HTTPStatusError: Client error '429 Too Many Requests' for url 'http://x'",
            {"status": 429},
        ),
        ("requests.exceptions.HTTPError: 503 Server Error: x for url: y", {"status": 503}),
        ("google.genai.errors.ClientError: 429 RESOURCE_EXHAUSTED. {'error': {}}", {"status": 429}),
        (
            "anthropic.APIStatusError: Error code: 529 - {'error': {'type': 'overloaded_error'}}",
            {"status": 529, "body": {"error": {"type": "overloaded_error"}}},
        ),
        ("openai.APIError: Error code: 400 - {'error': {'cut", {"status": 400}),
        ("openai.APIError: Error code: 400 - {'error': f(x)}", {"status": 400}),
        (
            THROTTLED,
            {"body": {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}},
        ),
        (
            "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n[SQL: X]",
            {"orig": {"type": "sqlite3.OperationalError", "message": "database is locked"}},
        ),
        (
            "subprocess.CalledProcessError: Command 'x' returned non-zero exit status 137.",
            {"exit_code": 137},
        ),
        ("subprocess.CalledProcessError: Command 'x' died with <Signals.SIGKILL: 9>.",
         {"exit_code": -9}),
        ("KeyError", {"type": "builtins.KeyError", "message": ""}),
        ("Note: nothing", {"type": "builtins.Exception", "message": "Note: nothing"}),
        ("OSError: [Errno 99999] no such number", {"message": "[Errno 99999] no such number"}),
        ('  File "x.py", line 3\n    a b\n      ^\nSyntaxError: invalid syntax',
         {"type": "builtins.SyntaxError", "message": "invalid syntax"}),
        ('Traceback (most recent call last):\n  File "x.py", line 3, in f\n    f()',
         {"type": "builtins.Exception"}),
        ('  File "x.py", line 3, in f\n    f()\nOwnError: mine', {"type": "OwnError"}),
    ],
)  # fmt: skip
def test_what_a_client_keeps_in_attributes_is_read_from_its_message(
    text: str, expected: dict[str, object]
) -> None:
    read = parse(text)
    assert {key: read.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("anthropic.APIStatusError: Error code: 529 - {'error': {'type': 'overloaded_error'}}",
         "overloaded"),
        ("sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked",
         "db_locked"),
        (THROTTLED, "rate_limited"),
        ("subprocess.CalledProcessError: Command 'x' died with <Signals.SIGKILL: 9>.",
         "process_killed"),
        ("httpx.ConnectTimeout: timed out", "timeout"),
        ('  File "x.py", line 3, in f\n    f()\nOwnError: mine', "unknown"),
        ('  File "x.py", line 3, in f\n    f()\nMaxRetryError: x', "connection"),
    ],
)  # fmt: skip
def test_the_last_line_of_a_traceback_is_enough(project: Project, text: str, kind: str) -> None:
    assert explained(project, stdin=text) == kind


def test_the_rules_that_lost_are_told_with_the_reason(project: Project, squeezed: Squeezed) -> None:
    given = (
        *("--type", "openai.RateLimitError", "--status", "429"),
        *("--body", '{"code": "insufficient_quota"}'),
    )
    told = squeezed(project.run("catalog", "explain", *given).stdout)
    assert (
        "lost openai.rate_limited (rate_limited): less specific: by class, the winner by code"
        in told
    )
    assert (
        "generic.http_too_many (rate_limited): less specific: by status, the winner by code" in told
    )
    assert "no match openai.quota_exhausted_type (quota_exhausted): attr type: " in told
    assert " is wanted, nothing is there" in told
    assert "see them with --json" in told
    assert "why the most specific of " in told
    assert "source OpenAI" in told
    why = project.json("catalog", "explain", *given)["reasons"]
    assert (why["left_off"], why["file"]) == (0, "openai.toml")
    assert "openai.rate_limited" in [one["rule"] for one in why["lost"]]
    assert len(why["near"]) > 5


def test_a_chain_is_told_with_the_one_that_decides(project: Project, squeezed: Squeezed) -> None:
    told = squeezed(project.run("catalog", "explain", stdin=CHAIN).stdout)
    assert "chain raised: RuntimeError\n" in told
    assert " cause: ConnectionRefusedError (decides)\n" in told


def test_what_no_rule_knows_is_told_as_such(project: Project, squeezed: Squeezed) -> None:
    told = squeezed(project.run("catalog", "explain", "--type", "acme.Odd").stdout)
    assert "rule none knows it" in told and "why no rule holds" in told
    assert "source" not in told and "lost" not in told


def test_a_kind_tells_why_it_happens(project: Project, squeezed: Squeezed) -> None:
    told = squeezed(project.run("catalog", "explain", "db_locked").stdout)
    assert "happens A long transaction" in told
    assert project.json("catalog", "explain", "db_locked")["causes"].startswith(
        "A long transaction"
    )
    assert all(one["causes"] for one in project.json("catalog", "list")["kinds"])


@pytest.mark.parametrize("status", ["42", "x", "1000"])
def test_a_status_that_is_none_is_wrong_usage(project: Project, status: str) -> None:
    assert "--status" in project.run("catalog", "explain", "--status", status, wanted=2).stderr
    told = project.json("catalog", "explain", "--status", status, wanted=2)
    assert told["error"]["exit_code"] == 2


TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "flow.py", line 3, in load\n'
    "    open(name)\n"
    "FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'"
)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"level": "error", "exc_info": TRACEBACK, "message": "it failed"}, "not_found"),
        ({"name": "app.db", "msg": "x", "error": {"stack_trace": TRACEBACK}}, "not_found"),
        ({"record": {"exception": {"type": "KeyError", "value": "k"}}, "text": "x"}, "bug"),
        ({"exception": [{"exc_type": "TimeoutError", "exc_value": "late"}]}, "timeout"),
        (
            {"attributes": {"exception.type": "httpx.ConnectTimeout", "exception.message": ""}},
            "timeout",
        ),
        ({"error.type": "openai.RateLimitError", "error.message": "Error code: 429 - x"},
         "rate_limited"),
        ({"name": "app.db", "message": "rate limit reached"}, "rate_limited"),
        ({"error": {"type": "invalid_request_error", "message": "rate limit reached"}},
         "rate_limited"),
        ({"exc_type": "OwnError"}, "unknown"),
    ],
)  # fmt: skip
def test_a_logged_line_of_json_is_read(
    project: Project, record: dict[str, object], kind: str
) -> None:
    line = json.dumps(record)
    assert explained(project, stdin=line) == kind
    assert explained(project, stdin=f'{{"broken\nstarting up\n{line}\n{{"event": "end"}}\n') == kind


def test_a_logged_line_without_an_exception_is_a_message(project: Project) -> None:
    assert parse('{"event": "x"}')["message"] == '{"event": "x"}'
    deep = '{"a":' * 100_000
    assert parse(deep)["type"] == "builtins.Exception"


@pytest.mark.parametrize(
    "text",
    [
        TRACEBACK.replace("\n", "\n    ").join(["    ", ""]),
        TRACEBACK.replace("FileNotFoundError", "\x1b[1;35mFileNotFoundError\x1b[0m"),
        TRACEBACK + "\n2026-11-24 10:00:00 INFO went on; rate limit reached",
        TRACEBACK + "\nINFO:root:went on; rate limit reached",
    ],
)
def test_a_traceback_is_read_as_logs_and_terminals_have_it(text: str) -> None:
    assert parse(text) == {
        "type": "builtins.FileNotFoundError",
        "message": "No such file or directory: 'a.csv'",
        "errno": "ENOENT",
    }


def test_a_mistake_in_the_syntax_is_read_within_a_traceback(project: Project) -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "flow.py", line 1, in <module>\n'
        "    import broken\n"
        '  File "/srv/broken.py", line 2\n'
        "    def f(:\n"
        "          ^\n"
        "SyntaxError: invalid syntax\n"
    )
    assert parse(text) == {"type": "builtins.SyntaxError", "message": "invalid syntax"}
    assert explained(project, stdin=text) == "bug"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ExceptionGroup: several (2 sub-exceptions)", "unknown"),
        (GROUP.replace("KeyError: 'k'", "KeyboardInterrupt"), None),
        (GROUP.replace("KeyError: 'k'", "UnicodeTranslateError: x"), None),
    ],
)
def test_groups_that_python_would_not_make_are_no_crash(
    project: Project, text: str, kind: str | None
) -> None:
    if kind is not None:
        assert explained(project, stdin=text) == kind
        return
    result = project.run(
        "catalog", "explain", stdin=text, wanted=2 if sys.version_info >= (3, 11) else 0
    )
    assert "Traceback" not in result.stderr


def test_bytes_that_are_no_text_are_read_all_the_same(project: Project) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "surefoot", "catalog", "explain", "--json"],
        cwd=project.path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        input=b"\xff\xfe\x00 garbage\nTimeoutError: caf\xe9\n",
        capture_output=True,
        check=True,
    )
    assert json.loads(child.stdout)["kind"] == "timeout"


# -- lint -----------------------------------------------------------------------------------------

GOOD = """[[rule]]
id = "shop.busy"
kind = "overloaded"
class = "shop.Busy"
[rule.example]
message = "come back later"
"""
BARE = """[[rule]]
id = "shop.gone"
kind = "not_found"
class = "shop.Gone"
"""
WRONG = """[[rule]]
id = "shop.late"
kind = "timeouts"
class = "shop.Late"

[[rule]]
id = "shop.any"
kind = "timeout"
message = ".*"
[rule.example]
type = "shop.Any"
"""


def test_without_rules_there_is_nothing_to_lint(project: Project) -> None:
    assert project.run("catalog", "lint").stdout.startswith("there are no rules of your own: name ")
    assert project.json("catalog", "lint") == {"ok": True, "rules": 0, "findings": []}


def test_clean_rules_are_told_so(project: Project) -> None:
    project.write("rules.toml", GOOD)
    assert project.run("catalog", "lint", "rules.toml").stdout == "1 rule: clean\n"
    project.write("surefoot.toml", "rules = ['rules.toml']\n")
    assert project.run("catalog", "lint").stdout == "1 rule: clean\n"
    assert project.run("catalog", "lint", "rules.toml").stdout == "1 rule: clean\n"


def test_each_finding_has_its_file_and_line(project: Project) -> None:
    project.write("rules.toml", WRONG + "\n" + BARE)
    told = project.run("catalog", "lint", "rules.toml", wanted=1).stdout.splitlines()
    assert told[0].startswith("rules.toml:3: kind: there is no kind 'timeouts' (did you mean 'tim")
    assert told[1].startswith(
        "rules.toml:6: rule 'shop.any': message: the pattern matches the empty"
    )
    assert told[2] == ("rules.toml:13: warning: rule 'shop.gone': an example is missing")
    assert told[3:] == ["2 rules: 2 problems, 1 warning"]
    found = project.json("catalog", "lint", "rules.toml", "--no-warnings", wanted=1)
    assert (found["ok"], found["rules"]) == (False, 2)
    assert [(one["level"], one["line"]) for one in found["findings"]] == [
        ("problem", 3),
        ("problem", 6),
    ]
    project.write("rules.toml", BARE)
    assert project.run("catalog", "lint", "rules.toml", wanted=1).stdout.endswith("1 warning\n")
    assert project.run("catalog", "lint", "rules.toml", "--no-warnings").stdout == "1 rule: clean\n"


def test_only_the_files_that_are_asked_for_are_told_of(project: Project) -> None:
    project.write("other.toml", BARE.replace("shop.", "other."))
    project.write("kinds.toml", '[kind.embargoed]\ncategory = "data"\n')
    project.write("rules.toml", GOOD.replace("overloaded", "embargoed"))
    project.write("surefoot.toml", "rules = ['other.toml', 'kinds.toml']\n")
    assert project.run("catalog", "lint", "rules.toml").stdout == "1 rule: clean\n"
    told = project.run("catalog", "lint", wanted=1).stdout
    assert "other.toml:1: warning: " in told and "rules.toml" not in told
    project.write(
        "surefoot.toml", "rules = ['none.toml']\n[[rule]]\nid = 'a.b'\nkind = 'x'\nstatus = 400\n"
    )
    told = project.run("catalog", "lint", wanted=1).stdout
    assert "none.toml: this file of rules cannot be read: No such file" in told
    assert "the configuration: kind: there is no kind 'x'" in told


def test_wrong_usage_of_lint_ends_with_2(project: Project) -> None:
    assert "none.toml" in project.run("catalog", "lint", "none.toml", wanted=2).stderr
    project.write("surefoot.toml", "rulez = []\n")
    assert "unknown key 'rulez'" in project.run("catalog", "lint", wanted=2).stderr


# -- export ---------------------------------------------------------------------------------------


def test_the_catalog_is_written_in_each_form(project: Project) -> None:
    page = project.run("catalog", "export").stdout
    assert page.startswith("# The catalog of failures\n")
    assert all(f"### `{kind}`" in page for kind in BUILTIN_KINDS)
    assert project.run("catalog", "export", "--format", "html").stdout.startswith("<!DOCTYPE html>")
    table = list(
        csv.DictReader(io.StringIO(project.run("catalog", "export", "--format", "csv").stdout))
    )
    assert {one["id"] for one in table} == set(BUILTIN_KINDS)
    told = project.json("catalog", "export")
    assert told == json.loads(project.run("catalog", "export", "--format", "json").stdout)
    assert told["seen"] is False
    assert "xml" in project.run("catalog", "export", "--format", "xml", wanted=2).stderr


def test_own_kinds_and_rules_are_exported_too(project: Project) -> None:
    project.write("rules.toml", GOOD.replace("overloaded", "embargoed"))
    project.write("surefoot.toml", "rules = ['rules.toml']\n[kind.embargoed]\ncategory = 'data'\n")
    page = project.run("catalog", "export").stdout
    assert "### `embargoed`" in page and "- own: `shop.busy`" in page


def test_a_journal_tells_how_often_when_and_how_it_ended(project: Project) -> None:
    project.run("run", "pipeline.py:triage", "--input", '"tickets.txt"')
    project.run("run", "pipeline.py:triage", "--input", '"none.txt"', wanted=1)
    told = project.json("catalog", "export", "--journal", ".surefoot/journal.db")
    kinds = {one["id"]: one["seen"] for one in told["kinds"]}
    assert kinds["connection"]["ended"] == {"completed": 1}
    assert kinds["connection"]["text"].startswith("Seen once in 1 run, last 20")
    assert kinds["connection"]["text"].endswith(" UTC. Of 1 call: 1 came through.")
    assert kinds["not_found"]["ended"] == {"failed": 1}
    assert (kinds["invalid_value"]["times"], kinds["invalid_value"]["ended"]) == (1, {"skipped": 1})
    assert kinds["gpu_fault"] is None
    page = project.run("catalog", "export", "--journal", ".surefoot/journal.db").stdout
    assert "*Seen:* Never, in this journal." in page
    assert project.run("catalog", "export", "--journal", "none.db", wanted=3).stderr
