"""Settings from files, from the environment, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot.config import Config, default_journal, find_root, journal_path, load_config
from surefoot.errors import ConfigError

ONLY_SQLITE = (
    "this version keeps its journal in SQLite or Postgres; write sqlite:///relative.db, "
    "sqlite:////absolute.db or postgresql://host/database"
)


def settings(folder: Path, text: str, name: str = "surefoot.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def wrong(folder: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(folder, environ or {})
    return str(caught.value)


# -- where they come from -------------------------------------------------------------------------


def test_without_any_settings_the_defaults_hold(tmp_path: Path) -> None:
    settings(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    assert load_config(tmp_path, {}) == Config()


def test_outside_of_every_project_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.config.MARKS", ("no-such-mark-anywhere",))
    assert load_config(Path("/"), {}) == Config()
    assert find_root(Path("/")) is None


def test_a_folder_that_only_has_a_journal_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / ".surefoot").mkdir()
    assert load_config(tmp_path, {}) == Config()


def test_without_arguments_the_current_folder_and_environment_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path, "lease = 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUREFOOT_GRACE", "3")
    found = load_config()
    assert (found.lease, found.grace) == (7.0, 3.0)


def test_a_file_of_its_own_has_all_settings(tmp_path: Path) -> None:
    file = settings(
        tmp_path,
        "journal = 'state/j.db'\ndurability = 'process'\nlease = 5\ngrace = 2.5\n"
        "rules = ['rules.toml', 'more/rules.toml']\nprogress = false\n",
    )
    assert load_config(tmp_path, {}) == Config(
        journal=str(tmp_path / "state/j.db"),
        durability="process",
        lease=5.0,
        grace=2.5,
        rules=(tmp_path / "rules.toml", tmp_path / "more/rules.toml"),
        progress=False,
        source=str(file),
    )


def test_a_table_in_pyproject_has_them_too(tmp_path: Path) -> None:
    file = settings(tmp_path, "[tool.surefoot]\nlease = 5\n", "pyproject.toml")
    found = load_config(tmp_path, {})
    assert found.lease == 5.0
    assert found.source == f"{file} [tool.surefoot]"


def test_a_file_of_its_own_comes_before_pyproject(tmp_path: Path) -> None:
    settings(tmp_path, "lease = 5\n")
    settings(tmp_path, "[tool.surefoot]\nlease = 6\n", "pyproject.toml")
    assert load_config(tmp_path, {}).lease == 5.0


def test_a_pyproject_whose_tool_is_no_table_has_no_settings(tmp_path: Path) -> None:
    settings(tmp_path, "tool = 3\n", "pyproject.toml")
    assert load_config(tmp_path, {}) == Config()


def test_settings_are_found_from_a_folder_within_the_project(tmp_path: Path) -> None:
    settings(tmp_path, "lease = 5\nrules = ['r.toml']\njournal = 'j.db'\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    found = load_config(inner, {})
    assert found.lease == 5.0
    # places in a file count from the file
    assert found.rules == (tmp_path / "r.toml",)
    assert found.journal == str(tmp_path / "j.db")


def test_a_relative_journal_url_counts_from_the_file_too(tmp_path: Path) -> None:
    settings(tmp_path, "journal = 'sqlite:///j.db'\n")
    (tmp_path / "inner").mkdir()
    assert load_config(tmp_path / "inner", {}).journal == str(tmp_path / "j.db")


def test_the_catalogs_own_tables_may_stand_among_the_settings(tmp_path: Path) -> None:
    settings(tmp_path, "lease = 5\n[[rule]]\nid = 'x'\n[kind.late]\ncategory = 'data'\n")
    found = load_config(tmp_path, {})
    assert found.lease == 5.0
    assert found.catalog == {"rule": [{"id": "x"}], "kind": {"late": {"category": "data"}}}


@pytest.mark.parametrize(
    ("name", "value", "field", "wanted"),
    [
        ("SUREFOOT_JOURNAL", "sqlite:////var/j.db", "journal", "sqlite:////var/j.db"),
        ("SUREFOOT_DURABILITY", "process", "durability", "process"),
        ("SUREFOOT_LEASE", "0.5", "lease", 0.5),
        ("SUREFOOT_GRACE", "20", "grace", 20.0),
        ("SUREFOOT_PROGRESS", "No", "progress", False),
        ("SUREFOOT_PROGRESS", "1", "progress", True),
        ("SUREFOOT_RULES", f"a.toml{os.pathsep}b.toml{os.pathsep}", "rules",
         (Path("a.toml"), Path("b.toml"))),
        ("SUREFOOT_RULES", "", "rules", ()),
    ],
)  # fmt: skip
def test_the_environment_stands_over_the_file(
    tmp_path: Path, name: str, value: str, field: str, wanted: object
) -> None:
    settings(tmp_path, "journal='x'\ndurability='power'\nlease=1\ngrace=1\nrules=[]\n")
    assert getattr(load_config(tmp_path, {name: value, "PATH": "x"}), field) == wanted


# -- what is wrong --------------------------------------------------------------------------------


def test_an_unknown_key_names_the_file_and_the_nearest(tmp_path: Path) -> None:
    file = settings(tmp_path, "leese = 5\n")
    assert wrong(tmp_path) == f"{file}: unknown key 'leese'; did you mean 'lease'?"


def test_a_value_in_the_place_of_a_table_is_told(tmp_path: Path) -> None:
    file = settings(tmp_path, "alerts = 5\n")
    assert wrong(tmp_path) == f"{file}: alerts must be a table: [alerts]"


def test_an_unknown_key_like_no_other_gets_the_list(tmp_path: Path) -> None:
    settings(tmp_path, "zzz = 5\n")
    assert wrong(tmp_path).endswith(
        "unknown key 'zzz'; known are alerts, blobs, chaos, durability, grace, incidents, journal, lease, "
        "progress, resources, rules, scrub"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("journal = 3", "journal = 3 must be a text that is not empty"),
        ("journal = ''", "journal = '' must be a text that is not empty"),
        ("durability = 'disk'", "durability = 'disk' must be 'power' or 'process'"),
        ("lease = 0", "lease = 0 must be a number of seconds above 0"),
        ("lease = -1.5", "lease = -1.5 must be a number of seconds above 0"),
        ("lease = true", "lease = True must be a number of seconds above 0"),
        ("lease = nan", "lease = nan must be a number of seconds above 0"),
        ("lease = inf", "lease = inf must be a number of seconds above 0"),
        ("grace = 'long'", "grace = 'long' must be a number of seconds above 0"),
        ("grace = []", "grace = [] must be a number of seconds above 0"),
        ("progress = 'perhaps'", "progress = 'perhaps' must be true or false"),
        ("progress = 1", "progress = 1 must be true or false"),
        ("rules = 3", "rules = 3 must be a list of files"),
        ("rules = ['a', 3]", "rules = ['a', 3] must be a list of files"),
        ("rules = ['']", "rules = [''] must be a list of files"),
        ("journal = 'mysql://x'", "journal mysql://…: " + ONLY_SQLITE),
        ("journal = 'sqlite:///'", "journal 'sqlite:///' names no file; write sqlite:///relative.db"),
    ],
)  # fmt: skip
def test_a_bad_value_names_the_file_and_what_it_must_be(
    tmp_path: Path, line: str, expected: str
) -> None:
    file = settings(tmp_path, line + "\n")
    assert wrong(tmp_path) == f"{file}: {expected}"


def test_a_text_of_seconds_counts_in_a_file_as_well(tmp_path: Path) -> None:
    settings(tmp_path, "lease = '2'\nprogress = 'yes'\nrules = 'one.toml'\n")
    found = load_config(tmp_path, {})
    assert (found.lease, found.progress, found.rules) == (2.0, True, (tmp_path / "one.toml",))


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    file = settings(tmp_path, "[tool]\nsurefoot = 3\n", "pyproject.toml")
    assert wrong(tmp_path) == f"{file} [tool.surefoot]: must be a table of settings"


def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    file = settings(tmp_path, "lease = 5\ngrace 3\n")
    assert wrong(tmp_path).startswith(f"{file}: not valid TOML: ")
    assert "line 2" in wrong(tmp_path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "surefoot.toml").write_bytes(b"lease = '\xff'\n")
    assert "surefoot.toml: cannot be read: 'utf-8' codec" in wrong(tmp_path)


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"SUREFOOT_JOURNALS": "x"}) == (
        "environment variable SUREFOOT_JOURNALS: unknown; did you mean 'SUREFOOT_JOURNAL'?"
    )
    assert wrong(tmp_path, {"SUREFOOT_X": "x"}).endswith("SUREFOOT_PROGRESS, SUREFOOT_RULES")


def test_a_bad_variable_names_itself_and_what_it_must_be(tmp_path: Path) -> None:
    assert wrong(tmp_path, {"SUREFOOT_LEASE": "soon"}) == (
        "environment variable SUREFOOT_LEASE='soon' must be a number of seconds above 0"
    )


# -- the journal's place --------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [".surefoot/", "surefoot.toml", "pyproject.toml"])
def test_the_journal_lies_in_the_nearest_project(tmp_path: Path, mark: str) -> None:
    (tmp_path / "pyproject.toml").touch()
    inner = tmp_path / "inner"
    if mark.endswith("/"):
        (inner / mark).mkdir(parents=True)
    else:
        inner.mkdir()
        (inner / mark).touch()
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    assert find_root(deep) == inner
    assert default_journal(deep) == inner / ".surefoot" / "journal.db"


def test_without_a_project_it_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surefoot.config.MARKS", ("no-such-mark-anywhere",))
    assert default_journal(tmp_path) == tmp_path / ".surefoot" / "journal.db"


@pytest.mark.parametrize(
    ("location", "wanted"),
    [
        ("sqlite:///relative.db", "/start/relative.db"),
        ("sqlite:///a/b.db", "/start/a/b.db"),
        ("sqlite:////absolute.db", "/absolute.db"),
        ("plain.db", "/start/plain.db"),
        ("/plain.db", "/plain.db"),
        ("~/own.db", "/home/me/own.db"),
    ],
)
def test_a_journal_is_named_by_a_url_or_a_path(
    monkeypatch: pytest.MonkeyPatch, location: str, wanted: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert journal_path(location, Path("/start")) == Path(wanted)


def test_a_relative_journal_counts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert journal_path("j.db") == tmp_path / "j.db"


@pytest.mark.parametrize("location", ["mysql://x", "sqlite://two-slashes"])
def test_a_journal_of_another_kind_is_refused(location: str) -> None:
    with pytest.raises(ConfigError, match="write sqlite:///relative.db, .* or postgresql"):
        journal_path(location)


def test_a_journal_in_postgres_is_no_file() -> None:
    with pytest.raises(ConfigError, match="needs one in a SQLite file"):
        journal_path("postgresql://db/x")


@pytest.mark.parametrize("location", ["", "sqlite:///"])
def test_a_journal_without_a_name_is_refused(location: str) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        journal_path(location)
