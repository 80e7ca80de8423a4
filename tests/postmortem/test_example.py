"""The example in the docs: a real run's postmortem, without what was the machine's own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from surefoot.postmortem.as_text import to_text

from .conftest import Tell
from .pages import Page
from .test_pages import SECTIONS
from .test_sections import failing

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "demo_postmortem", ROOT / "tools/demo_postmortem.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["postmortem-demo.md", "postmortem-demo.html"])
def test_it_tells_of_no_machine(name: str) -> None:
    told = (EXAMPLES / name).read_text(encoding="utf-8")
    for mine in ("/root", "/work", "/tmp/", "/Users", "pyenv", str(ROOT), str(Path.home())):
        assert mine not in told
    assert "/srv/surefoot" in told and "2 other steps failed too" in told


def test_it_has_every_section() -> None:
    page = Page((EXAMPLES / "postmortem-demo.html").read_text(encoding="utf-8"))
    assert [data for tag, data in page.texts if tag == "h2"] == SECTIONS
    assert page.count("svg") == 1 and page.count("script") == 0


def test_the_tool_replaces_what_is_the_machines_own(
    tell: Tell, tool: ModuleType, tmp_path: Path
) -> None:
    made = tell(failing().start())
    assert str(ROOT) in to_text(made)
    told = to_text(tool.neutral(made, tmp_path))
    assert tool.left(told, tmp_path) == []
    assert "/srv/surefoot/tests/postmortem/test_sections.py" in told
    assert tool.left(f"see {sys.prefix}/bin", tmp_path) != []
