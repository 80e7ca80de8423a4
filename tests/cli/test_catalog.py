"""`surefoot catalog`: kinds, rules, and what an exception is taken for."""

from __future__ import annotations

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
