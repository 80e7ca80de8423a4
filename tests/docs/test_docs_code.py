"""The code in README.md and docs/ runs.

Each ```python block is run as a script in an empty folder of its own. What stands around it says more:

- `<!-- continues -->` before a block: it goes on where the block before it in this page ended (the
  same script, the same folder);
- `# pipeline.py` as a block's first line (`# surefoot.toml` in a ```toml block): it is saved under
  this name; `<!-- file: tickets.jsonl -->` before a block of any language does the same;
- a ```console block: its lines `$ surefoot …` and `$ python …` run in the folder of the block before;
  each must end with exit code 0, or with N where `# exit N` stands at the line's end;
- `<!-- exit 1 -->` before a ```python block: the script must end so.

A ```sh or ```text block is not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("README.md")), *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"(?P<notes>(?:^<!--[^\n]*-->\n\s*)*)^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w-]*)[^\n]*\n"
    r"(?P<code>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.(?:py|toml))\s*\n")
SECONDS = 60


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    code: str
    line: int
    continues: bool = False
    file: str | None = None
    exit_code: int = 0


@dataclass
class Chain:
    """Blocks that share a folder: one that starts it, and those that go on from it."""

    page: str
    blocks: list[Block] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page}:{self.blocks[0].line}"


def blocks(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        indent, notes, code = match["indent"], match["notes"], match["code"]
        code = re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        named = FILE_NAME.match(code)
        told = re.search(r"<!-- file: (\S+) -->", notes)
        ends = re.search(r"<!-- exit (\d+) -->", notes)
        found.append(
            Block(
                language=match["language"],
                code=code,
                line=text.count("\n", 0, match.start("fence")) + 1,
                continues="<!-- continues -->" in notes,
                file=told.group(1) if told else named["name"] if named else None,
                exit_code=int(ends.group(1)) if ends else 0,
            )
        )
    return found


def chains(page: str, text: str) -> list[Chain]:
    """The page's blocks that do something, in groups that share a folder."""
    found: list[Chain] = []
    for block in blocks(text):
        if block.language not in ("python", "console") and block.file is None:
            continue
        # A console block goes on from what stands before it; so does a file beside a named one.
        if not found or not (block.continues or block.language == "console"):
            found.append(Chain(page))
        found[-1].blocks.append(block)
    return found


def every_chain() -> list[Chain]:
    return [
        chain
        for page in PAGES
        for chain in chains(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    ]


def commands(block: Block) -> list[tuple[str, int]]:
    """(command line, wanted exit code) of a ```console block."""
    found = []
    for line in block.code.replace("\\\n", " ").splitlines():
        match = re.match(r"\$ ((?:[A-Z_]+=\S+ )*(?:surefoot|python) .*)$", line)
        if match:
            command, _, note = match.group(1).partition("  # ")
            ends = re.search(r"exit (\d+)", note)
            found.append((command.strip(), int(ends.group(1)) if ends else 0))
    return found


def environment() -> dict[str, str]:
    """As a reader has it: the scripts on the path, no settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SUREFOOT_")}
    scripts = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": scripts + os.pathsep + kept.get("PATH", ""),
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONWARNINGS": "error",
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


def run(command: list[str] | str, folder: Path, wanted: int, where: str) -> None:
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == wanted, (
        f"{where}: {command!r} ended with {done.returncode}, not {wanted}\n{done.stdout}\n{done.stderr}"
    )


def play(chain: Chain, folder: Path) -> None:
    """Does what the blocks say, in their order, in the folder."""
    script: list[Block] = []

    def run_script() -> None:
        """The python blocks so far that make one script; each script runs once."""
        if not script:
            return
        name = script[0].file or f"example_{script[0].line}.py"
        code = "\n".join(block.code for block in script)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
        where = f"{chain.page}:{script[0].line}"
        if code.lstrip().startswith(">>>"):
            run([sys.executable, "-m", "doctest", name], folder, 0, where)
        else:
            run([sys.executable, name], folder, script[-1].exit_code, where)
        script.clear()

    for block in chain.blocks:
        if block.language == "python":
            if block.file is not None:
                run_script()  # another file: the one before it is complete
            script.append(block)
            continue
        run_script()
        if block.language == "console":
            for command, wanted in commands(block):
                run(command, folder, wanted, f"{chain.page}:{block.line}")
        elif block.file is not None:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.code, encoding="utf-8")
    run_script()


@pytest.mark.parametrize("chain", every_chain(), ids=str)
def test_a_pages_code_runs(chain: Chain, tmp_path: Path) -> None:
    play(chain, tmp_path)


def test_no_block_asks_not_to_be_run() -> None:
    for page in PAGES:
        assert "```python no" not in page.read_text(encoding="utf-8"), f"{page.name}: use ```text"


PAGE = """\
```python
# first.py
x = 1
```
<!-- continues -->
```python
assert x == 1
open("made", "w").close()
```
```console
$ python first.py
$ python -c 'import os; assert os.path.exists("made")'
$ python -c 'raise SystemExit(3)'  # exit 3
this line is output
```
<!-- file: data.json -->
```json
{}
```
"""


def test_blocks_of_a_page_are_found_and_played(tmp_path: Path) -> None:
    first, second = chains("PAGE", PAGE)
    assert [block.language for block in first.blocks] == ["python", "python", "console"]
    play(first, tmp_path)
    assert (tmp_path / "made").exists()
    play(second, tmp_path)
    assert (tmp_path / "data.json").read_text() == "{}\n"


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert False\n```\n",
        "```console\n$ python -c 'raise SystemExit(3)'\n```\n",
        "```console\n$ python -c 'pass'  # exit 1\n```\n",
        "<!-- exit 1 -->\n```python\npass\n```\n",
    ],
)
def test_code_that_does_not_do_as_its_page_says_is_noticed(text: str, tmp_path: Path) -> None:
    [chain] = chains("PAGE", text)
    with pytest.raises(AssertionError, match="ended with"):
        play(chain, tmp_path)
