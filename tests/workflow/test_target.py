"""How a run records its workflow, and how another process finds it again."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import surefoot
from surefoot import Runtime, workflow
from surefoot.errors import UsageError
from surefoot.workflow.target import as_workflow, describe, load, load_described, load_file

SOURCES = Path(surefoot.__file__).parent.parent

FILE = """
from surefoot import step, workflow

@step
def double(n: int) -> int:
    return 2 * n

@workflow
def work(n: int) -> int:
    return double(n)

class Flows:
    @staticmethod
    @workflow
    def inner() -> int:
        return 1

not_one = 5
"""


@workflow
def at_the_top() -> int:
    return 1


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "flows_of_test_target.py"
    path.write_text(FILE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return path


def test_a_module_is_described_by_its_name_and_found_by_it() -> None:
    target = describe(at_the_top.__wrapped__)
    assert target is not None
    told = json.loads(target)
    assert told["module"] == __name__ and told["qualname"] == "at_the_top"
    assert told["file"] == __file__ and Path(told["cwd"]).is_dir()
    assert load_described(target, "r") is at_the_top
    assert load(f"{__name__}:at_the_top") is at_the_top


def test_what_cannot_be_imported_again_is_not_described(runtime: Runtime) -> None:
    def closure() -> int:
        return 1

    scope: dict[str, Any] = {"__name__": "__console__"}
    exec("def typed(): return 1", scope)
    assert describe(closure) is None and describe(lambda: 1) is None
    assert describe(scope["typed"]) is None and describe(len) is None
    run = workflow(closure).with_options(run_id="r").start()
    assert run.result == 1
    with pytest.raises(UsageError, match=r"resume it from code.*--workflow"):
        load_described(runtime.journal.run("r").target, "r")


def test_a_file_is_loaded_by_its_path_once(file: Path) -> None:
    found = load(f"{file}:work")
    assert found(3) == 6 and load(f"{file}:work") is found
    assert load(f"{file}:Flows.inner")() == 1
    target = describe(found.__wrapped__)
    assert target is not None and json.loads(target)["module"] is None
    assert json.loads(target)["file"] == str(file)
    assert load_described(target, "r") is found


def test_a_file_whose_name_is_taken_does_not_replace_the_module(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "json.py"
    other.write_text("from surefoot import workflow\n@workflow\ndef work() -> int:\n    return 7\n")
    assert load(f"{other}:work")() == 7
    assert sys.modules["json"] is json


def test_a_file_that_fails_is_not_half_there(tmp_path: Path, file: Path) -> None:
    bad = tmp_path / "bad_of_test_target.py"
    bad.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_file(bad)
    assert "bad_of_test_target" not in sys.modules


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("work", "write pkg.module:name"),
        (":work", "write pkg.module:name"),
        ("pkg:", "write pkg.module:name"),
        ("no_such_package.of_mine:work", "there is no module 'no_such_package'"),
        ("json.no_such_part:work", "there is no module 'json.no_such_part'"),
        ("no/such/file.py:work", "there is no file"),
        ("{file}:wrk", "did you mean 'work'"),
        ("{file}:Flows.iner", "has no 'Flows.iner'"),
    ],
)
def test_a_target_that_cannot_be_found_says_what_was_looked_for(
    file: Path, target: str, part: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(target.format(file=file))
    assert part in str(caught.value)


def test_a_module_that_lacks_a_package_of_its_own_raises_as_it_is(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_of_test_target.py").write_text("import no_such_dependency\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load("needs_of_test_target:work")


def test_a_workflow_that_has_moved_says_where_it_was(file: Path) -> None:
    target = describe(load(f"{file}:work").__wrapped__)
    assert target is not None
    told = json.loads(target)
    told["qualname"] = "gone"
    with pytest.raises(UsageError, match=r"recorded as gone in .*--workflow path/to/file.py"):
        load_described(json.dumps(told), "r")


def test_something_else_is_no_workflow(file: Path) -> None:
    assert as_workflow(at_the_top, "t") is at_the_top
    with pytest.raises(UsageError, match="is int, not a workflow; put @workflow on"):
        as_workflow(load(f"{file}:not_one"), f"{file}:not_one")


def test_a_script_is_recorded_by_its_file_and_resumed_by_another_process(
    tmp_path: Path, file: Path
) -> None:
    script = tmp_path / "script_of_test_target.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(SOURCES)!r})
            from surefoot import Runtime, step, workflow

            class Broken(Exception):
                pass

            @step(attempts=1)
            def fail(n: int) -> int:
                if __name__ == "__main__":
                    raise Broken("in the script")
                return n

            @workflow
            def work(n: int) -> int:
                return fail(n)

            if __name__ == "__main__":
                with Runtime(journal={str(tmp_path / "j.db")!r}):
                    print(work.with_options(run_id="r").start(4).status)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "halted\n", done.stderr
    with Runtime(journal=tmp_path / "j.db") as runtime:
        target = runtime.journal.run("r").target
        found = load_described(target, "r")
        assert found.resume("r").result == 4
