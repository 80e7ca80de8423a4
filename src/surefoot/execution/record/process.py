"""The process that saw a failure: host, versions, loaded packages, git commit, command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ...classify.safely import fields
from ...journal.leases import Owner
from ...journal.writes import ProcessWrite
from ...scrub import is_secret_name
from .frames import code_file
from .git import checked_out
from .packages import loaded_packages
from .preview import HIDDEN
from .texts import Own, Text, cleaned, part

__all__ = ["described", "this_process"]

ARGUMENTS, ARGUMENT = 50, 200
"""Arguments of the command line that are kept, and characters of each."""


def this_process(fn: Any, scrub: Callable[[str], str]) -> ProcessWrite:
    """The calling process, as the journal keeps it once, along with its first failure.

    :param fn: a function of the user's: its folder says which commit runs.
    """
    pid = os.getpid()
    return ProcessWrite(_facts(pid)[0], json.dumps(described(fn, scrub)))


def described(fn: Any, scrub: Callable[[str], str]) -> dict[str, Any]:
    """All that is kept of the calling process."""
    file = part(code_file, fn)
    folder = os.path.dirname(file) if file is not None else None
    told = {
        **_facts(os.getpid())[1],
        "git": part(_git, folder),
        "cwd": part(os.getcwd),
        "argv": part(_arguments),
    }
    kept: dict[str, Any] = cleaned(told, scrub)
    return kept


@lru_cache(maxsize=1)
def _facts(pid: int) -> tuple[str, Mapping[str, Any]]:
    """What does not change: the process's name, and what it is. After a fork it is another one."""
    owner = Owner.this()
    start = owner.start or os.urandom(4).hex()  # without /proc a later one may have the same pid
    name = ":".join((owner.name, owner.host, owner.namespace, str(pid), start))
    return name, {
        "host": Own(owner.name),
        "pid": pid,
        "python": Own(".".join(str(part) for part in sys.version_info[:3])),
        "implementation": Own(sys.implementation.name),
        "platform": Own(part(_platform) or sys.platform),
        "surefoot": Own(_version()),
        "packages": {name: Own(its) for name, its in (part(loaded_packages) or {}).items()},
    }


def _version() -> str:
    return str(fields(sys.modules.get("surefoot")).get("__version__", "?"))


def _platform() -> str:
    found = os.uname()
    return f"{found.sysname}-{found.release}-{found.machine}"


def _git(folder: str | None) -> dict[str, Any] | None:
    found = checked_out(folder) if folder is not None else None
    found = found or checked_out(os.getcwd())
    return {"commit": Own(found[0]), "branch": found[1]} if found is not None else None


def _arguments() -> list[Text | Own]:
    """The command line; what stands behind a secret's name (``--api-key …``) is left out."""
    kept: list[Text | Own] = []
    secret = False
    for one in list(sys.argv)[:ARGUMENTS]:
        if secret and not one.startswith("-"):
            kept.append(Own(HIDDEN))
            secret = False
            continue
        kept.append(Text(one, ARGUMENT))
        secret = one.startswith("-") and "=" not in one and is_secret_name(one.lstrip("-"))
    return kept
