"""One file, one name: however it was started, its functions and classes are called the same.

tests/fingerprint/test_stability.py shows it in real processes; here each of the ways by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from surefoot.fingerprint.failure import _class_at_home, _module_of


def module(name: str, **fields: object) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(fields)
    return made


def test_a_file_is_called_as_when_it_is_imported(tmp_path: Path) -> None:
    package = tmp_path / "shop" / "flows"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    assert _module_of(str(package / "triage.py")) == "shop.flows.triage"
    assert _module_of(str(tmp_path / "triage.py")) == "triage"


@pytest.mark.parametrize(
    "filename", ["<stdin>", "<ipython-input-3-0a1b>", "/tmp/ipykernel_7/81.py"]
)
def test_a_cell_of_a_console_or_notebook_has_no_file_of_its_own(filename: str) -> None:
    assert _module_of(filename) == "__main__"


def test_a_module_that_was_started_by_its_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m shop.flows``: Python knows the name, whatever folders say."""
    spec = type("Spec", (), {"name": "shop.flows"})()
    monkeypatch.setitem(
        sys.modules, "__main__", module("__main__", __spec__=spec, __file__="/x/y.py")
    )
    assert _module_of("/x/y.py") == "shop.flows"
    assert _module_of("/x/z.py") == "z"


def test_a_class_of_the_script_is_called_as_when_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = str(tmp_path / "pipeline.py")
    monkeypatch.setitem(sys.modules, "__main__", module("__main__", __spec__=None, __file__=script))
    assert _class_at_home("__main__.Odd") == "pipeline.Odd"


def test_a_class_of_a_file_that_was_run_by_its_path_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = module("_surefoot_pipeline", __surefoot_file__=str(tmp_path / "pipeline.py"))
    monkeypatch.setitem(sys.modules, "_surefoot_pipeline", run)
    assert _class_at_home("_surefoot_pipeline.Odd") == "pipeline.Odd"


def test_other_classes_keep_their_names_but_for_old_aliases() -> None:
    assert _class_at_home("acme.errors.Odd") == "acme.errors.Odd"
    assert _class_at_home("asyncio.exceptions.TimeoutError") == "builtins.TimeoutError"
