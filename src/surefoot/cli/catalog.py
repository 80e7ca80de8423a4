"""``surefoot catalog``: what failures there are, and what an exception is taken for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..model import STAGES
from .app import Group
from .catalog_export import export
from .catalog_lint import lint
from .options import examples, json_option
from .out import counted, plain, render, table, took, write, write_json

if TYPE_CHECKING:
    from ..catalog import Catalog, Rule
    from ..model import Classification, Kind

__all__ = ["catalog"]

LOST_SHOWN, NEAR_SHOWN, ALL = 8, 5, 100_000
"""Rules that did not decide, and that a person, or a program, gets to see."""


@click.group(
    cls=Group,
    epilog=examples(
        "surefoot catalog list",
        "surefoot catalog explain rate_limited",
        "surefoot catalog explain < traceback.txt",
    ),
)
def catalog() -> None:
    """What kinds of failures there are, and how each is recognised."""


# -- list -----------------------------------------------------------------------------------------


@catalog.command(
    "list",
    epilog=examples(
        "surefoot catalog list",
        "surefoot catalog list --kind rate_limited",
        "surefoot catalog list --library openai --json",
    ),
)
@click.option("--kind", metavar="KIND", help="The rules that give this kind.")
@click.option("--library", metavar="NAME", help="The rules about this library's exceptions.")
@json_option
def list_(kind: str | None, library: str | None, as_json: bool) -> int:
    """List the kinds; with --kind or --library, the rules.

    The settings' own rules and kinds are among them.
    """
    from ..catalog.export import recognised

    found = _catalog()
    rules = [rule for rule in found.rules if kind is None or rule.kind == found.kind(kind).id]
    if library is not None:
        rules = _of_library(found, rules, library)
    kinds = list(found.kinds.values())
    if kind is not None:
        kinds = [found.kind(kind)]
    elif library is not None:
        kinds = [one for one in kinds if any(rule.kind == one.id for rule in rules)]
    if as_json:
        write_json(
            {
                "kinds": [_kind(one, found.causes(one.id)) for one in kinds],
                "rules": [_rule(one) for one in rules],
            }
        )
    elif kind is None and library is None:
        write(render(_kinds_table(kinds, rules)))
    else:
        if kind is not None:
            write(_explained_kind(kinds[0], found.causes(kinds[0].id)) + "\n")
        rows = [(one.id, one.kind, recognised(one)) for one in rules]
        write(render(table(("RULE", "KIND", "RECOGNISED BY"), rows)))
    return 0


def _catalog() -> Catalog:
    from ..runtime import Runtime

    return Runtime().catalog


def _of_library(catalog: Catalog, rules: list[Rule], library: str) -> list[Rule]:
    from ..catalog.problems import nearest
    from ..errors import UsageError

    names = {name for rule in catalog.rules for name in (rule.library, *rule.packages)}
    if library not in names:
        raise UsageError(
            f"no rule is about {library!r}{nearest(library, names)}; there are rules about: "
            f"{', '.join(sorted({rule.library for rule in catalog.rules}))}"
        )
    return [rule for rule in rules if library == rule.library or library in rule.packages]


def _kinds_table(kinds: list[Kind], rules: list[Rule]) -> Any:
    rows = [
        (
            kind.id,
            kind.category,
            "yes" if kind.recoverable else "no",
            "yes" if kind.retryable else "no",
            sum(rule.kind == kind.id for rule in rules),
            _ladder(kind.ladder),
        )
        for kind in kinds
    ]
    return table(("KIND", "CATEGORY", "RECOVERABLE", "RETRYABLE", "RULES", "LADDER"), rows)


def _ladder(ladder: Any) -> str:
    return " → ".join(str(rung) for rung in ladder)


def _kind(kind: Kind, causes: str) -> dict[str, Any]:
    return {
        "id": kind.id,
        "category": kind.category,
        "recoverable": kind.recoverable,
        "retryable": kind.retryable,
        "severity": kind.severity,
        "ladder": [str(rung) for rung in kind.ladder],
        "title": kind.title,
        "meaning": kind.meaning,
        "causes": causes,
        "action": kind.action,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "kind": rule.kind,
        "library": rule.library,
        "classes": list(rule.classes),
        "conditions": [
            {
                "what": condition.label,
                "values": sorted(condition.exact) + [f"{one}*" for one in condition.prefixes],
            }
            for condition in rule.conditions
        ],
        "stages": sorted(rule.stages),
        "message": rule.message,
        "outcome": rule.outcome,
        "wrapper": rule.wrapper,
        "source": rule.source,
        "file": rule.file,
    }


# -- explain --------------------------------------------------------------------------------------


@catalog.command(
    epilog=examples(
        "surefoot catalog explain rate_limited",
        "surefoot catalog explain --type openai.RateLimitError --status 429 \\",
        '    --body \'{"code": "insufficient_quota"}\'',
        "surefoot catalog explain --type json.JSONDecodeError --stage inference",
        "python flow.py 2>&1 | surefoot catalog explain",
    )
)
@click.argument("kind", required=False)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="CLASS",
    help="The exception's class; again for each of its base classes.",
)
@click.option("--message", metavar="TEXT", help="What it says.")
@click.option(
    "--status", type=click.IntRange(100, 999), metavar="N", help="Its HTTP status, 100 to 999."
)
@click.option("--body", metavar="JSON", help="The body of the response that it holds.")
@click.option("--stage", type=click.Choice(STAGES), help="The stage of the step that raises it.")
@json_option
def explain(
    kind: str | None,
    types: tuple[str, ...],
    message: str | None,
    status: int | None,
    body: str | None,
    stage: Any,
    as_json: bool,
) -> int:
    """Explain a KIND, or what an exception is taken for and why.

    The exception is given by options, or on standard input: a traceback, its last line, or a logged
    line of JSON that holds one. It is classified as a run classifies it; nothing is imported for it.
    Told are the rule that decides, those that hold and lose, and those that nearly hold.
    """
    from ..errors import UsageError
    from .standin import named, parse

    found = _catalog()
    given = bool(types) or message is not None or status is not None or body is not None
    if kind is not None:
        if given:
            raise UsageError("give a KIND, or --type, --message, --status, --body: not both")
        entry = found.kind(kind)
        if as_json:
            write_json(_kind(entry, found.causes(entry.id)))
        else:
            write(_explained_kind(entry, found.causes(entry.id)))
        return 0
    if given:
        example: dict[str, Any] = {"type": "builtins.Exception", "message": message or ""}
        if types:
            full = [named(one, found.rules) for one in types]
            example["type"] = full[0]
            if full[1:]:
                example["bases"] = full[1:]
        if status is not None:
            example["status"] = status
        if body is not None:
            example["body"] = _json(body)
    else:
        example = parse(_standard_input())
        if "." not in example["type"]:
            example["type"] = _known_or_not(example["type"], found)
    _explain(found, example, stage, as_json)
    return 0


def _standard_input() -> str:
    from ..errors import UsageError

    text = "" if sys.stdin is None or sys.stdin.isatty() else _read(sys.stdin)
    if not text.strip():
        raise UsageError(
            "nothing to explain: name a KIND, give --type and --message, or pipe a traceback in, "
            "as: surefoot catalog explain < traceback.txt"
        )
    return text


def _read(stream: TextIO) -> str:
    """All of it: a log may hold bytes that are no text."""
    raw = getattr(stream, "buffer", None)
    return stream.read() if raw is None else raw.read().decode("utf-8", "replace")


def _known_or_not(name: str, found: Catalog) -> str:
    """A class that was printed without its module: of ``__main__``, or cut by a logger."""
    from ..errors import UsageError
    from .standin import named

    try:
        return named(name, found.rules)
    except UsageError:
        return f"__main__.{name}"


def _json(text: str) -> Any:
    from ..errors import UsageError

    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"--body is not JSON: {exc}") from exc
    if not isinstance(body, (dict, list)):
        raise UsageError(f'--body: expected a JSON object such as {{"code": "x"}}, found {text}')
    return body


def _explain(found: Catalog, example: dict[str, Any], stage: Any, as_json: bool) -> None:
    from ..catalog.examples import build
    from ..classify.reasons import reasons
    from ..clock import SystemClock
    from ..errors import UsageError
    from ..runtime import scrub
    from .standin import with_bases

    try:
        exception = build(with_bases(example, found.rules))
    except (ValueError, TypeError) as exc:  # TypeError: a built-in one that wants more arguments
        raise UsageError(f"{example['type']} cannot be made: {exc}") from exc
    most = ALL if as_json else LOST_SHOWN
    why = reasons(exception, catalog=found, stage=stage, now=SystemClock().now(), most=most)
    result = why.classification
    told = scrub({**result.as_dict(), "message": result.message, "reasons": why.as_dict()})
    if as_json:
        write_json(told)
        return
    write(_explained(result, told, found))


def _explained_kind(kind: Kind, causes: str) -> str:
    rows = _of_kind(kind, causes)
    rows.insert(-4, ("category", kind.category))
    return render(_heading(kind), table(("", ""), rows, indent=2))


def _heading(kind: Kind) -> Any:
    from rich.text import Text

    return Text(kind.id, "bold").append(f": {kind.title}", "default")


def _of_kind(kind: Kind, causes: str) -> list[tuple[str, str]]:
    return [
        ("means", kind.meaning),
        *([("happens", causes)] if causes else []),
        ("recoverable", _recoverable(kind.recoverable)),
        ("retryable", _retryable(kind.retryable)),
        ("ladder", _ladder(kind.ladder)),
        ("to do", kind.action),
    ]


def _recoverable(yes: bool) -> str:
    return "yes: the program can go on by itself" if yes else "no: a person must act first"


def _retryable(yes: bool) -> str:
    return "yes: the same call may succeed" if yes else "no: the same call would fail again"


def _explained(result: Classification, told: dict[str, Any], found: Catalog) -> str:
    kind = found.kind(result.kind)
    wait = "as the back-off says"
    if result.retry_after is not None:
        wait = f"{took(result.retry_after)}, as the server asks"
    rows: list[tuple[str, str]] = [
        ("exception", f"{told['type'].removeprefix('builtins.')}: {plain(told['message'])}"[:500]),
        ("means", kind.meaning),
        ("category", result.category),
        ("recoverable", _recoverable(result.recoverable)),
        ("retryable", _retryable(result.retryable)),
        ("ladder", _ladder(result.ladder)),
    ]
    if result.retryable:
        rows.append(("wait", wait))
    if result.retries_spent:
        spent = counted(result.retries_spent, "retry", "retries")
        rows.append(("spent", f"{spent} inside the client library"))
    rows += [
        ("an effect", _outcome(result.outcome)),
        ("rule", result.rule if result.rule != "none" else "none knows it"),
    ]
    for number, one in enumerate(told["evidence"]):
        rows.append(("because" if number == 0 else "", f"{one['what']}: {one['value']}"))
    rows += _reasons(told["reasons"])
    rows += [("fingerprint", result.fingerprint), ("to do", kind.action)]
    return render(_heading(kind), table(("", ""), rows, indent=2))


def _reasons(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Why this rule and no other one."""
    rows = [("why", told["why"])]
    if told["source"]:
        rows.append(("source", told["source"]))
    chain = told["exceptions"] if len(told["exceptions"]) > 1 else []
    for number, one in enumerate(chain):
        mark = " (decides)" if one["decided"] else ""
        name = one["type"].removeprefix("builtins.")
        rows.append(("chain" if number == 0 else "", f"{one['relation']}: {name}{mark}"))
    for heading, those in (("lost", told["lost"]), ("no match", told["near"][:NEAR_SHOWN])):
        for number, one in enumerate(those):
            rows.append(
                (heading if number == 0 else "", f"{one['rule']} ({one['kind']}): {one['why']}")
            )
    left = told["left_off"] + max(0, len(told["near"]) - NEAR_SHOWN)
    if left:
        rows.append(("", f"and {counted(left, 'more rule')}: see them with --json"))
    return rows


def _outcome(outcome: str) -> str:
    if outcome == "refused":
        return "was refused: surely not done"
    return "stays open: may have been done all the same"


catalog.add_command(lint)
catalog.add_command(export)
