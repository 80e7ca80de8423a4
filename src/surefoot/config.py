"""Settings: ``surefoot.toml``, or ``[tool.surefoot]`` in ``pyproject.toml``; ``SUREFOOT_*`` variables
over them; arguments over both. An unknown key or a bad value names its place.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .journal_url import is_postgres

__all__ = [
    "Brought",
    "Config",
    "brought_rules",
    "default_journal",
    "find_root",
    "journal_path",
    "journal_place",
    "load_config",
]

MARKS = (".surefoot", "surefoot.toml", "pyproject.toml")


@dataclass(frozen=True)
class Config:
    """All settings. ``lease`` and ``grace`` are seconds.

    ``journal`` is a URL or a path, None for the default place. ``blobs`` is where checkpoints above
    64 KiB go: a URL of object storage, None for the folder beside the journal. ``rules`` are
    catalog files of the user, ``catalog`` holds the rules and kinds that stand among the settings.
    ``resources`` are the settings of resources by name
    (:class:`surefoot.resources.ResourceOptions`). ``scrub``, ``alerts``, ``incidents`` and
    ``chaos`` are tables that those who use them check. ``grace`` is what running steps get after a
    SIGTERM. ``progress`` shows bars on a terminal.
    """

    journal: str | None = None
    blobs: str | None = None
    durability: str = "power"
    lease: float = 60.0
    grace: float = 10.0
    rules: tuple[Path, ...] = ()
    progress: bool = True
    source: str | None = None
    catalog: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    scrub: Mapping[str, Any] = field(default_factory=dict)
    alerts: Mapping[str, Any] = field(default_factory=dict)
    incidents: Mapping[str, Any] = field(default_factory=dict)
    chaos: Mapping[str, Any] = field(default_factory=dict)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty")
    return value


def _url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9+.-]+://.+", value):
        raise ValueError("a URL of object storage: s3://bucket/prefix")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError("a number of seconds above 0") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise ValueError("a number of seconds above 0")
    return float(value)


def _durability(value: Any) -> str:
    if value not in ("power", "process"):
        raise ValueError("'power' or 'process'")
    return str(value)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError("true or false")
    return words[value.lower()]


def _files(value: Any) -> tuple[Path, ...]:
    if isinstance(value, str):
        return tuple(Path(part) for part in value.split(os.pathsep) if part)
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("a list of files")
    return tuple(Path(one) for one in value)


KEYS: Mapping[str, Callable[[Any], Any]] = {
    "journal": _text,
    "blobs": _url,
    "durability": _durability,
    "lease": _seconds,
    "grace": _seconds,
    "rules": _files,
    "progress": _switch,
}


NO_SETTINGS = frozenset(("SUREFOOT_LEDGER", "SUREFOOT_KEY"))
"""Variables that are read elsewhere: where a failure test counts effects, what signs pickles."""


def find_root(start: Path) -> Path | None:
    """The nearest folder upward that has a ``.surefoot``, a ``surefoot.toml`` or a
    ``pyproject.toml``."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return None


def default_journal(start: Path) -> Path:
    """Where the journal lies if nobody says otherwise."""
    return (find_root(start) or start.absolute()) / ".surefoot" / "journal.db"


def load_config(start: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The settings for a program that runs in ``start`` (default: the current folder).

    :raises ConfigError: a key or a value is wrong; the message names the file or the variable.
    """
    start = start or Path.cwd()
    environ = os.environ if environ is None else environ
    config = Config()
    root = find_root(start)
    if root is not None:
        config = _from_files(config, root)
    return _from_environment(config, environ)


def _from_files(config: Config, root: Path) -> Config:
    own, project = root / "surefoot.toml", root / "pyproject.toml"
    if own.is_file():
        return _apply(config, _read(own), str(own), root)
    if project.is_file():
        tool = _read(project).get("tool", {})
        table = tool.get("surefoot") if isinstance(tool, dict) else None
        if table is not None:
            return _apply(config, table, f"{project} [tool.surefoot]", root)
    return config


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: not valid TOML: {exc}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read: {exc}") from exc


CATALOG_TABLES = frozenset({"rule", "kind", "library", "packages", "source"})
"""What belongs to the catalog's loader, which checks it by itself."""

TABLES = ("resources", "scrub", "alerts", "incidents", "chaos")
"""Tables that are checked by those who use them."""


def _apply(config: Config, table: Any, place: str, root: Path) -> Config:
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: must be a table of settings")
    own = {key: value for key, value in table.items() if key in CATALOG_TABLES}
    found: dict[str, Any] = {"source": place, "catalog": own}
    for key, value in table.items():
        if key in TABLES:
            if not isinstance(value, dict):
                raise ConfigError(f"{place}: {key} must be a table: [{key}]")
            found[key] = value
        if key in CATALOG_TABLES or key in TABLES:
            continue
        if key not in KEYS:
            raise ConfigError(
                f"{place}: unknown key {key!r}{_nearest(key, {**KEYS, **dict.fromkeys(TABLES)})}"
            )
        try:
            found[key] = KEYS[key](value)
        except ValueError as exc:
            raise ConfigError(f"{place}: {key} = {value!r} must be {exc}") from exc
    if "rules" in found:
        found["rules"] = tuple(root / path for path in found["rules"])
    if "journal" in found:
        try:
            found["journal"] = str(journal_place(found["journal"], root))
        except ConfigError as exc:
            raise ConfigError(f"{place}: {exc}") from exc
    return replace(config, **found)


def _from_environment(config: Config, environ: Mapping[str, str]) -> Config:
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith("SUREFOOT_"):
            continue
        if name in NO_SETTINGS:
            continue
        key = name[len("SUREFOOT_") :].lower()
        if key not in KEYS:
            raise ConfigError(
                f"environment variable {name}: unknown{_nearest(key, KEYS, 'SUREFOOT_')}"
            )
        try:
            found[key] = KEYS[key](value)
        except ValueError as exc:
            raise ConfigError(f"environment variable {name}={value!r} must be {exc}") from exc
    return replace(config, **found)


def _nearest(key: str, known: Mapping[str, Any], prefix: str = "") -> str:
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(key.lower(), list(known), n=1)
    if close:
        near = prefix + close[0].upper() if prefix else close[0]
        return f"; did you mean {near!r}?"
    names = ", ".join(prefix + one.upper() if prefix else one for one in sorted(known))
    return f"; known are {names}"


def journal_place(location: str, start: Path | None = None) -> Path | str:
    """The file of a SQLite journal, or the URL of one in Postgres.

    :raises ConfigError: the URL is of another kind.

    >>> journal_place("postgresql://db.example/jobs")
    'postgresql://db.example/jobs'
    """
    return location if is_postgres(location) else journal_path(location, start)


def journal_path(location: str, start: Path | None = None) -> Path:
    """The file of a SQLite journal, from its URL or path.

    :raises ConfigError: the URL is of another kind.

    >>> journal_path("sqlite:////var/lib/j.db").as_posix()
    '/var/lib/j.db'
    """
    if location.startswith("sqlite:///"):
        text = location[len("sqlite:///") :]
    elif is_postgres(location):
        raise ConfigError("the journal is in Postgres, and this needs one in a SQLite file")
    elif "://" in location:
        scheme = location.split("://", 1)[0]
        raise ConfigError(
            f"journal {scheme}://…: this version keeps its journal in SQLite or Postgres; "
            "write sqlite:///relative.db, sqlite:////absolute.db or postgresql://host/database"
        )
    else:
        text = location
    if not text:
        raise ConfigError(f"journal {location!r} names no file; write sqlite:///relative.db")
    return (start or Path.cwd()) / Path(text).expanduser()


# -- rules that packages bring ---------------------------------------------------------------------

RULES_GROUP = "surefoot.rules"
"""The group of entry points by which an installed package brings rules."""


@dataclass(frozen=True)
class Brought:
    """Files of rules that installed packages bring, and what is wrong with those that cannot."""

    files: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()


def brought_rules(places: Iterable[str] | None = None) -> Brought:
    """The files of rules that installed packages bring, by entry points of :data:`RULES_GROUP`.

    An entry point's value is a package, or a folder in one, with dots: ``acme.rules``. Each ``*.toml``
    right in it is a file of rules. Nothing is imported for that. Never raises.

    :param places: where packages are looked for; None is ``sys.path``.
    """
    try:
        if not _someone_brings(sys.path if places is None else places):
            return Brought()
        from importlib import metadata  # slow: only where an entry point of ours is in sight

        points = sorted(metadata.entry_points(group=RULES_GROUP), key=lambda one: one.name)
    except Exception as exc:
        return Brought(problems=(f"the entry points cannot be read: {exc}",))
    files: dict[Path, None] = {}
    problems = []
    for point in points:
        try:
            files.update(dict.fromkeys(_files_in(point.value)))
        except Exception as exc:
            problems.append(f"entry point {point.name} = {point.value!r} of {RULES_GROUP}: {exc}")
    return Brought(tuple(files), tuple(problems))


def _someone_brings(places: Iterable[str]) -> bool:
    """Whether some package's entry points speak of us: a look at the files, in a tenth of the time."""
    mark = RULES_GROUP.encode()
    for place in places:
        try:
            with os.scandir(place or os.curdir) as entries:
                found = [one.path for one in entries if one.name.endswith(_METADATA)]
        except OSError:
            if os.path.isfile(place):
                return True  # a zip file: importlib.metadata can look into it
            continue
        for path in found:
            try:
                with open(os.path.join(path, "entry_points.txt"), "rb") as file:
                    if mark in file.read():
                        return True
            except OSError:
                continue
    return False


_METADATA = (".dist-info", ".egg-info")


def _files_in(value: str) -> list[Path]:
    """The files of rules in a package or folder, written with dots."""
    from importlib.util import find_spec

    if not re.fullmatch(r"\w+(\.\w+)*", value):
        raise ValueError("expected a package, or a folder in one, such as acme.rules")
    top, *rest = value.split(".")
    spec = find_spec(top)  # of the top one: nothing is imported
    if spec is None:
        raise ValueError(f"there is no package {top!r}")
    folders = [Path(place, *rest) for place in spec.submodule_search_locations or ()]
    found = [file for folder in folders for file in sorted(folder.glob("*.toml"))]
    if not found:
        where = " or ".join(map(str, folders)) or f"{top!r}, which is a single module"
        raise ValueError(f"there is no file *.toml in {where}")
    return found
