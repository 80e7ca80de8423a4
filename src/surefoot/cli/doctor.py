"""``surefoot doctor``: is everything in place, and if not, what is the next move."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..errors import SurefootError
from .options import command_options, examples
from .out import counted, render, table, write, write_json

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["doctor"]

Level = Literal["ok", "note", "problem"]

EXTRAS = {
    "numpy": ("numpy",),
    "frames": ("pyarrow",),
    "tensors": ("safetensors",),
    "models": ("pydantic", "msgspec", "attrs"),
    "alerts": ("apprise",),
    "postgres": ("psycopg",),
    "objects": ("fsspec",),
    "prefect": ("prefect",),
    "airflow": ("apache-airflow",),
    "logs": ("ecs-logging",),
}
"""What each of our extras brings; see pyproject.toml."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``next`` is the move that mends it."""

    name: str
    level: Level
    text: str
    next: str | None = None


@click.command(
    epilog=examples("surefoot doctor", "surefoot doctor --json", "SUREFOOT_LEASE=5 surefoot doctor")
)
@command_options
def doctor(journal: str | None, as_json: bool) -> int:
    """Look whether everything is in place: versions, settings, journal, rules, client libraries.

    Ends with 1 if there is a problem; each comes with the next move. Nothing is changed.
    """
    config, findings = _settings()
    findings = [_versions(), *findings]
    findings += [_journal(config, journal), _patterns(), *_rules(config), *_alerts(config)]
    findings += [*_clients(), _extras()]
    if as_json:
        write_json(
            {
                "ok": not any(one.level == "problem" for one in findings),
                "findings": [asdict(one) for one in findings],
            }
        )
    else:
        write(_told(findings))
    return 1 if any(one.level == "problem" for one in findings) else 0


def _told(findings: list[Finding]) -> str:
    from rich.text import Text

    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    rows: list[tuple[Any, Any, Any]] = []
    for one in findings:
        rows.append((Text(one.level, styles[one.level]), one.name, one.text))
        if one.next:
            rows.append(("", "", f"→ {one.next}"))
    problems = sum(one.level == "problem" for one in findings)
    last = counted(problems, "problem") if problems else "all is well"
    return render(table(("", "", ""), rows), Text(last, "bold red" if problems else "green"))


# -- what is looked at ----------------------------------------------------------------------------


def _versions() -> Finding:
    from .. import __version__
    from ..store import sqlite as store

    # the store is what uses SQLite: its version is the one that counts
    sqlite = vars(store)["sqlite3"].sqlite_version
    return Finding(
        "versions",
        "ok",
        f"surefoot {__version__}, Python {platform.python_version()} "
        f"({platform.python_implementation()}, {sys.platform}), SQLite {sqlite}",
    )


def _settings() -> tuple[Config, list[Finding]]:
    from ..config import Config, load_config

    try:
        config = load_config()
    except SurefootError as exc:
        return Config(), [
            Finding("settings", "problem", str(exc), "correct it; until then nothing runs")
        ]
    where = config.source or "none found; the defaults hold"
    given = sorted(name for name in os.environ if name.startswith("SUREFOOT_"))
    if given:
        where += f"; from the environment: {', '.join(given)}"
    text = (
        f"{where}; durability {config.durability}, lease {config.lease:g} s, "
        f"grace {config.grace:g} s"
    )
    return config, [Finding("settings", "ok", text)]


def _journal(config: Config, given: str | None) -> Finding:
    from ..errors import ConfigError
    from ..runtime import Runtime

    try:
        path = Runtime(given, config=config).place
    except ConfigError as exc:
        return Finding("journal", "problem", str(exc), "name it as a file or a sqlite:/// URL")
    if isinstance(path, str) or path.exists():
        return _opened(path, config)
    return _place(path)


def _opened(path: Path | str, config: Config) -> Finding:
    """The journal is opened as a run opens it, and a transaction that writes nothing is made."""
    from ..journal_url import shown
    from ..runtime import Runtime
    from ..store.base import SCHEMA_VERSION

    try:
        with Runtime(path, config=config, create=False) as runtime:
            found = runtime.journal
            found.store.transact([])
            runs = found.runs()
            dead = sum(1 for one in found.unfinished() if _is_dead(one, runtime.clock.now()))
    except SurefootError as exc:
        return Finding("journal", "problem", str(exc), _journal_move(path))
    text = (
        f"{shown(str(path))}: schema {SCHEMA_VERSION}, can be written; {counted(len(runs), 'run')}"
    )
    if dead:
        whose = "whose process died"
        return Finding(
            "journal", "note", f"{text}, {counted(dead, 'run')} {whose}", "surefoot recover"
        )
    return Finding("journal", "ok", text)


def _is_dead(record: Any, now: float) -> bool:
    from .plain import holder_of

    return (holder_of(record, now) or {}).get("alive") is False


def _journal_move(path: Path | str) -> str:
    if isinstance(path, Path) and path.exists() and not os.access(path, os.W_OK):
        return f"chmod u+w {path}, or name another place with --journal or SUREFOOT_JOURNAL"
    return "do as it says, then: surefoot doctor"


def _place(path: Path) -> Finding:
    """There is no journal yet: could one be made?"""
    from ..store.sqlite import network_file_system

    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    network = network_file_system(folder)
    if network is not None:
        return Finding(
            "journal",
            "problem",
            f"{path} would be on a network file system ({network}), where SQLite's locks do not hold",
            "name a place on a local disk with --journal or SUREFOOT_JOURNAL",
        )
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "journal",
            "problem",
            f"{path} is not there yet, and {folder} cannot be written to",
            f"chmod u+w {folder}, or name another place with --journal or SUREFOOT_JOURNAL",
        )
    return Finding("journal", "ok", f"{path}: not there yet; the first run makes it")


def _patterns() -> Finding:
    from ..catalog import pattern_engine

    if pattern_engine() == "re2":
        return Finding("patterns", "ok", "google-re2 searches messages")
    return Finding(
        "patterns",
        "note",
        "google-re2 is not installed: Python's re searches messages, the first 10,000 characters "
        "of each",
        "pip install google-re2 (it has no wheel for musl)",
    )


def _rules(config: Config) -> list[Finding]:
    from ..catalog import CatalogProblem, load
    from ..config import brought_rules

    problems: list[CatalogProblem] = []
    brought = brought_rules()
    left_out = [*brought.problems]
    try:
        catalog = load(
            extra=config.rules,
            extra_rules=dict(config.catalog) or None,
            brought=brought.files,
            on_problem=problems.append,
            on_brought=lambda problem: left_out.append(str(problem)),
        )
    except SurefootError as exc:
        return [Finding("rules", "problem", str(exc), "correct it")]
    if problems:
        return [
            Finding("rules", "problem", str(one), "correct it; until then nothing runs")
            for one in problems
        ]
    users = sum(rule.user for rule in catalog.rules)
    text = f"{counted(len(catalog.rules), 'rule')} for {counted(len(catalog.kinds), 'kind')}"
    told = [Finding("rules", "ok", f"{text}, {users:,} of them yours" if users else text)]
    told += [
        Finding("rules", "note", f"left out, of a package: {one}", "tell its authors")
        for one in left_out
    ]
    return told


def _alerts(config: Config) -> list[Finding]:
    """Nothing where nobody is to be told of anything."""
    from ..observe.alerts.options import UrlMissing
    from ..observe.alerts.sending import MISSING
    from ..runtime import Runtime

    if not config.alerts:
        return []
    try:
        options = Runtime(config=config).alert_options()
    except SurefootError as exc:
        return [Finding("alerts", "problem", str(exc), "correct it; until then nothing runs")]
    if options.sinks and _version("apprise") is None:
        reason, _, move = MISSING.partition("; ")
        return [Finding("alerts", "problem", reason, move)]
    found = []
    for sink in options.sinks.values():
        try:
            sink.address()
        except UrlMissing as exc:
            found.append(
                Finding(
                    "alerts", "problem", f"{sink.name}: {exc}", "set it, or nobody is told there"
                )
            )
    text = f"{counted(len(options.sinks), 'sink')}, {counted(len(options.rules), 'rule')}"
    return found or [Finding("alerts", "ok", f"{text}; try them with: surefoot alerts test")]


def _clients() -> list[Finding]:
    from .client_retries import RETRYING

    found = []
    for name, library in RETRYING.items():
        version = _version(name)
        if version is not None:
            found.append(
                Finding(
                    "retries",
                    "note",
                    f"{name} {version} {library.does} by itself: attempts multiply",
                    f"in steps: {library.off}",
                )
            )
    return found


def _extras() -> Finding:
    words = []
    for extra, names in EXTRAS.items():
        have = [f"{name} {version}" for name in names if (version := _version(name)) is not None]
        words.append(f"{extra}: {', '.join(have) or 'no'}")
    return Finding("extras", "ok", "; ".join(words))


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
