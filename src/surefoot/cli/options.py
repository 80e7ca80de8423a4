"""Options that several commands share, and the form that their help has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

__all__ = [
    "RunId",
    "RunName",
    "command_options",
    "examples",
    "journal_option",
    "json_option",
    "seconds_given",
]

if TYPE_CHECKING:
    Texts = click.ParamType[str]
else:  # a click before 8.2 cannot be subscripted
    Texts = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])

journal_option = click.option(
    "--journal",
    metavar="URL",
    help="The journal: sqlite:///relative.db, sqlite:////absolute.db or a path.  "
    "[default: SUREFOOT_JOURNAL, the settings, else .surefoot/journal.db]",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON document, for programs."
)


def command_options(fn: F) -> F:
    """``--journal`` and ``--json``, last in each command's list of options."""
    return journal_option(json_option(fn))


def examples(*lines: str) -> str:
    """The end of a command's help: real examples, which click must not wrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def seconds_given(age: str | None, option: str) -> float | None:
    """An age that an option was given, in seconds; None where it was not.

    :raises UsageError: it is none.

    >>> seconds_given("90s", "--older-than"), seconds_given("1.5h", "--older-than")
    (90.0, 5400.0)
    """
    from ..clock import seconds_of
    from ..errors import UsageError

    if age is None:
        return None
    try:
        return seconds_of(age)
    except ValueError:
        raise UsageError(
            f"{option} {age!r}: give a number and a unit: 90s, 15m, 2h, 3d, 1w"
        ) from None


class RunName(Texts):
    """A run's id; the shell completes it from the journal."""

    name = "run"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        from click.shell_completion import CompletionItem

        from ..runtime import Runtime

        try:
            with Runtime(journal=ctx.params.get("journal"), create=False) as runtime:
                found = runtime.journal.runs(limit=200)
        except Exception:  # no journal, no settings: there is nothing to complete
            return []
        return [
            CompletionItem(one.run_id, help=f"{one.workflow}: {one.status}")
            for one in found
            if one.run_id.startswith(incomplete)
        ]


RunId = click.argument("run_id", metavar="RUN", type=RunName())
