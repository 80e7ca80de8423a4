"""Rules that an installed package brings by an entry point: a real distribution, in a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from surefoot.config import RULES_GROUP, Brought, brought_rules

RULES = """
library = "Acme"
packages = ["acme"]

[kind.embargoed]
category = "data"

[[rule]]
id = "acme.embargoed"
kind = "embargoed"
class = "acme.errors.Embargoed"
source = "acme 1.0, errors.py"
[rule.example]
message = "not before Monday"

[[rule]]
id = "acme.timeout"
kind = "overloaded"
class = "builtins.TimeoutError"
source = "acme 1.0"
[rule.example]
message = "late"
"""


def install(
    site: Path, value: str = "acme.rules", name: str = "acme", files: dict[str, str] | None = None
) -> Path:
    """What pip leaves behind of a package ``name`` with one entry point."""
    for path, text in {
        f"{name}/__init__.py": "raise SystemExit('the package was imported')\n",
        f"{name}_sdk-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}-sdk\nVersion: 1.0\n",
        f"{name}_sdk-1.0.dist-info/entry_points.txt": f"[{RULES_GROUP}]\n{name} = {value}\n",
        **({f"{name}/rules/acme.toml": RULES} if files is None else files),
    }.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    return site


CODE = """
import json, sys, warnings
import surefoot
from surefoot import classify
told = {"before": "importlib.metadata" in sys.modules}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    Embargoed = type("Embargoed", (Exception,), {"__module__": "acme.errors"})
    told["kinds"] = [classify(exc).kind for exc in (Embargoed("x"), TimeoutError("x"), KeyError("x"))]
    told["again"] = classify(Embargoed("x")).rule
told["warned"] = [str(one.message) for one in caught]
told["imported"] = "acme" in sys.modules
print(json.dumps(told))
"""


def child(site: Path, folder: Path, *args: str, code: str = CODE) -> Any:
    """What a process says in which ``site`` is on the path."""
    result = subprocess.run(
        [sys.executable, *args, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    made.joinpath("surefoot.toml").write_text("", encoding="utf-8")
    return made


def test_an_installed_package_brings_its_rules_and_is_not_imported(
    tmp_path: Path, folder: Path
) -> None:
    told = child(install(tmp_path / "site"), folder)
    assert told == {
        "before": False,
        "kinds": ["embargoed", "overloaded", "bug"],
        "again": "acme.embargoed",
        "warned": [],
        "imported": False,
    }


def test_the_users_own_rules_go_before_them(tmp_path: Path, folder: Path) -> None:
    folder.joinpath("surefoot.toml").write_text(
        '[[rule]]\nid = "own.late"\nkind = "dns"\nclass = "builtins.TimeoutError"\n',
        encoding="utf-8",
    )
    told = child(install(tmp_path / "site"), folder)
    assert told["kinds"] == ["embargoed", "dns", "bug"]


@pytest.mark.parametrize(
    ("value", "files", "said"),
    [
        ("acme.none", {}, "acme = 'acme.none' of surefoot.rules: there is no file *.toml in "),
        ("nowhere.rules", {}, "acme = 'nowhere.rules' of surefoot.rules: there is no package 'now"),
        ("acme.rules:load", {}, "expected a package, or a folder in one, such as acme.rules"),
        ("json.tool", {}, "there is no file *.toml in "),
        ("this", {}, "there is no file *.toml in 'this', which is a single module"),
        ("acme.rules", {"acme/rules/a.toml": "[[rule]"}, "a.toml:1: expected TOML"),
        (
            "acme.rules",
            {"acme/rules/a.toml": '[[rule]]\nid = "a.b"\nkind = "time"\nstatus = 400\n'},
            "a.toml:3: kind: there is no kind 'time'",
        ),
    ],
)
def test_a_broken_one_is_warned_about_once_and_breaks_nothing(
    tmp_path: Path, folder: Path, value: str, files: dict[str, str], said: str
) -> None:
    told = child(install(tmp_path / "site", value, files=files), folder)
    assert told["kinds"] == ["unknown", "timeout", "bug"]
    (warning,) = told["warned"]
    assert warning.startswith("surefoot: rules that a package brings are left out: ")
    assert said in warning


def test_a_broken_one_leaves_the_others(tmp_path: Path, folder: Path) -> None:
    site = install(tmp_path / "site")
    install(site, "other.rules", "other", {"other/rules/a.toml": "[[rule]"})
    told = child(site, folder)
    assert told["kinds"] == ["embargoed", "overloaded", "bug"]
    assert len(told["warned"]) == 1


def test_even_where_warnings_are_errors_it_breaks_nothing(tmp_path: Path, folder: Path) -> None:
    code = (
        "import json\nfrom surefoot import classify\n"
        "print(json.dumps([classify(TimeoutError('x')).kind for _ in range(2)]))"
    )
    site = install(tmp_path / "site", "acme.none", files={})
    assert child(site, folder, "-W", "error", code=code) == ["timeout", "timeout"]


def test_a_run_asks_them_too(tmp_path: Path, folder: Path) -> None:
    code = """
import json
from surefoot import step, workflow
Embargoed = type("Embargoed", (Exception,), {"__module__": "acme.errors"})

@step
def load() -> None:
    raise Embargoed("not yet")

@workflow
def job() -> None:
    load()

print(json.dumps([one.kind for one in job.start().failures]))
"""
    assert child(install(tmp_path / "site"), folder, code=code) == ["embargoed"]


# -- where they are looked for --------------------------------------------------------------------


def test_nothing_is_read_where_nobody_brings_any(tmp_path: Path) -> None:
    tmp_path.joinpath("a-1.dist-info").mkdir()
    (tmp_path / "b-1.dist-info").mkdir()
    (tmp_path / "b-1.dist-info" / "entry_points.txt").write_text("[console_scripts]\n")
    assert brought_rules([str(tmp_path), str(tmp_path / "none")]) == Brought()


def test_files_are_found_in_their_order_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = {f"acme/rules/{name}.toml": RULES for name in ("b", "a")}
    install(tmp_path, files={**text, "acme/rules/notes.txt": "", "acme/rules/deep/c.toml": ""})
    install(tmp_path, "acme.rules", "again", {})
    install(tmp_path, "acme.rules.deep.none", "wrong", {})
    monkeypatch.syspath_prepend(tmp_path)
    found = brought_rules()
    assert found.files == (tmp_path / "acme/rules/a.toml", tmp_path / "acme/rules/b.toml")
    (problem,) = found.problems
    assert problem.startswith(
        "entry point wrong = 'acme.rules.deep.none' of surefoot.rules: there is"
    )


def test_a_zip_file_on_the_path_is_left_to_python(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.py", "")
    assert brought_rules([str(path)]) == Brought()


def test_metadata_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def broken(**params: Any) -> Any:
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "no")

    install(tmp_path)
    monkeypatch.setattr(metadata, "entry_points", broken)
    (problem,) = brought_rules([str(tmp_path)]).problems
    assert problem.startswith("the entry points cannot be read: ")
