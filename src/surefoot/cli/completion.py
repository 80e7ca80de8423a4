"""``surefoot completion``: what makes a shell complete commands, options and runs."""

from __future__ import annotations

import os

import click

from .options import examples
from .out import write

__all__ = ["completion"]

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        'eval "$(surefoot completion bash)"                            # in ~/.bashrc',
        'eval "$(surefoot completion zsh)"                             # in ~/.zshrc',
        "surefoot completion fish > ~/.config/fish/completions/surefoot.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> int:
    """Print the script that completes surefoot's commands in SHELL.

    Without SHELL, it is the one that $SHELL names.
    """
    from click.shell_completion import get_completion_class

    from ..errors import UsageError

    if shell is None:
        shell = os.path.basename(os.environ.get("SHELL", ""))
    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise UsageError(
            f"$SHELL is {shell!r}, which cannot be completed for; name one of {', '.join(SHELLS)}"
        )
    made = found(ctx.find_root().command, {}, "surefoot", "_SUREFOOT_COMPLETE")
    # not made.source(): for bash that runs a bash first, to look at its version
    write((made.source_template % made.source_vars()).strip())
    return 0
