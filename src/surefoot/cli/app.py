"""The group of all commands: exit codes, and errors that a person or a program can read."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from typing import Any

import click

from ..errors import RunInterrupted, SurefootError
from .out import complain, write_json

__all__ = ["CTRL_C", "App", "Stopped"]

CTRL_C = 130


class Stopped(Exception):  # noqa: N818  an order from outside, no error
    """A signal ended the command, and all that is to be said was said."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Group(click.Group):
    """A group that knows what was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


class App(Group):
    """The command line. A command returns its exit code; None is 0."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given[: given.index("--") if "--" in given else None]
        if prog_name is None:
            prog_name = "surefoot"
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.Abort:
            code = _told(KeyboardInterrupt(), "stopped by Ctrl-C", CTRL_C, as_json)
        except Stopped as stopped:
            code = stopped.exit_code
        except RunInterrupted as exc:
            code = _told(exc, str(exc), 143, as_json)
        except click.ClickException as exc:
            setattr(exc, "message", _clean(exc.message))  # noqa: B010  click calls it final, and has no hook
            exc.show()
            if as_json:
                _as_json(exc, exc.format_message(), exc.exit_code)
            code = exc.exit_code
        except SurefootError as exc:
            code = _told(exc, str(exc), exc.exit_code, as_json)
        except OSError as exc:
            code = _told(exc, f"the system refused: {exc}", 1, as_json)
        except Exception as exc:
            import traceback

            complain(_clean(traceback.format_exc()))
            message = f"{type(exc).__name__}: {exc} (a mistake in Surefoot: please report it)"
            code = _told(exc, message, 1, as_json)
        if not standalone_mode:
            return code
        sys.exit(code or 0)


def _told(exc: BaseException, message: str, exit_code: int, as_json: bool) -> int:
    message = _clean(message)
    complain(message)
    if as_json:
        _as_json(exc, message, exit_code)
    return exit_code


def _clean(text: str) -> str:
    """A message without its secrets; the settings may be what is wrong."""
    try:
        from ..runtime import scrub

        return str(scrub(text))
    except Exception:
        from ..scrub import scrub_text

        return scrub_text(text)


def _as_json(exc: BaseException, message: str, exit_code: int) -> None:
    write_json({"error": {"type": type(exc).__name__, "message": message, "exit_code": exit_code}})
