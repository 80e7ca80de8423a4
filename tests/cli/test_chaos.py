"""``surefoot chaos``: real processes that are killed, and what the command says about it."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Project

SHOP = '''
"""Two steps and two effects, of which one is counted."""

from __future__ import annotations

import os
import time
from pathlib import Path

from surefoot import Happened, NotHappened, effect, step, workflow
from surefoot.testing import Ledger

print("printed by the module")
HERE = Path(__file__).parent

@step(stage="ingestion")
def load(n: int) -> int:
    print("printed by a step")
    if (HERE / "slow").exists():
        (HERE / f"began-{os.getpid()}").touch()
        time.sleep(60)
    if (HERE / "broken").exists():
        raise ValueError("no such order; password=hunter22")
    return n

def was_paid(n: int) -> Happened[int] | NotHappened:
    return Happened(n) if Ledger.here().entries("pay") else NotHappened()

@effect(key=lambda n: f"pay:{n}", verify=was_paid)
def pay(n: int) -> int:
    Ledger.here().receive(n)
    return n

@effect(key=lambda n: f"log:{n}", verify=lambda n: NotHappened())
def log(n: int) -> None:
    """Nobody counts it."""

@workflow
def shop(n: int) -> int:
    number = pay(load(n))
    log(n)
    return number

@workflow
def later(path: Path, n: int = 1) -> str:
    return path.as_posix() if load(n) else ""
'''
QUICK = ("--input", "3", "--only", "kind=killed")


@pytest.fixture
def shop(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project, with temporary folders of its own, of which none may be left behind unsaid."""
    project.write("shop.py", SHOP)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*sys.path])))
    yield project


def left(shop: Project) -> list[str]:
    """What is left in the folders of chaos runs."""
    place = shop.path / "temporary"
    return sorted(one.name for run in place.glob("surefoot-chaos-*") for one in run.iterdir())


def red(document: Any) -> dict[str, str]:
    return {one["cell"]["id"]: one["outcome"] for one in document["cells"] if not one["allowed"]}


def test_all_that_is_allowed_ends_with_0_and_leaves_nothing_behind(shop: Project) -> None:
    done = shop.run("chaos", "shop.py:shop", *QUICK)
    assert "shop.py:shop: 6 cells, 6 fired: 6 recovered; all of it is allowed" in done.stdout
    assert "pay: 6 received, 6 applied, 0 duplicated, 0 lost, 0 unknown" in done.stdout
    assert "log: not measured" in done.stdout
    assert "printed by" not in done.stdout
    assert left(shop) == []


def test_it_says_what_it_is_about_to_kill(shop: Project) -> None:
    told = shop.run("chaos", "shop.py:shop", *QUICK).stderr
    assert "running shop.py:shop twice without faults, in child processes of this command" in told
    assert "6 cells to play" in told
    assert "in 6 of them a child process of this command is killed" in told
    assert "loopback alone" in told and "nothing else is killed" in told


def test_a_violation_ends_with_1_and_its_folder_is_kept_and_named(shop: Project) -> None:
    done = shop.run(
        "chaos", "shop.py:shop", "--input", "3", "--only", "step=load", "kind=parse_error", wanted=1
    )
    assert "1 halted; 1 violation" in done.stdout
    assert "[[chaos.expect]]" in done.stdout
    assert left(shop) == ["load--before--parse_error"]
    kept = next((shop.path / "temporary").rglob("load--before--parse_error"))
    assert str(kept) in done.stdout
    assert (kept / "journal.db").exists()
    shown = shop.run("show", "chaos", "--journal", str(kept / "journal.db")).stdout
    assert "completed" in shown and "parse_error" in shown


def test_what_a_team_allows_is_no_violation(shop: Project) -> None:
    shop.write(
        "surefoot.toml",
        '[[chaos.expect]]\nstep = "load"\nkind = ["parse_error", "auth"]\nallow = "halted"\n',
    )
    told = shop.json(
        "chaos", "shop.py:shop", "--input", "3", "--only", "step=load,kind=parse_error"
    )
    [one] = told["cells"]
    assert one["allowed"] and one["outcome"] == "halted"
    assert one["cell"]["because"].endswith("surefoot.toml [[chaos.expect]]")


def test_a_mistake_in_the_settings_is_told_before_anything_runs(shop: Project) -> None:
    shop.write("surefoot.toml", "[chaos]\nsetupp = 'x:y'\n")
    told = shop.json("chaos", "shop.py:shop", *QUICK, wanted=2)
    assert "[chaos] has no key 'setupp'; did you mean 'setup'?" in told["error"]["message"]


def test_json_is_one_document_whatever_the_workflow_prints(shop: Project) -> None:
    told = shop.json("chaos", "shop.py:shop", *QUICK)
    assert (told["schema"], told["exit_code"], told["seed"]) == (1, 0, 0)
    assert told["outcomes"] == {"recovered": 6}
    assert told["not_measured"] == ["log"]
    assert told["control"]["deeds"] == {"pay": ["3"]}
    assert all(one["fired"] == 1 and one["processes"] == 2 for one in told["cells"])
    assert all(one["times"]["total"] > 0 for one in told["cells"])


def test_reports_are_written_for_people_and_for_ci(shop: Project) -> None:
    shop.run("chaos", "shop.py:shop", *QUICK, "--html", "m.html", "--junit", "m.xml")
    assert "<!doctype html>" in (shop.path / "m.html").read_text()
    root = ElementTree.fromstring((shop.path / "m.xml").read_text())
    assert root.attrib["tests"] == "6"


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(shop: Project) -> None:
    told = shop.json("chaos", "shop.py:shop", *QUICK, "--html", "none/m.html", wanted=2)
    assert "--html none/m.html: there is no folder" in told["error"]["message"]


# -- what proves nothing --------------------------------------------------------------------------


def test_a_control_run_that_fails_ends_with_5_and_its_reason_and_nothing_else(
    shop: Project,
) -> None:
    shop.write("broken", "")
    done = shop.run("chaos", "shop.py:shop", *QUICK, wanted=5)
    assert done.stdout == ""
    assert "the control run, without any fault, did not complete: it is halted (" in done.stderr
    assert "no such order" in done.stderr and "hunter22" not in done.stderr
    assert "Traceback" not in done.stderr
    assert left(shop) == ["control"]


def test_input_that_does_not_fit_is_wrong_usage(shop: Project) -> None:
    told = shop.json("chaos", "shop.py:shop", "--input", "{", wanted=2)
    assert told["error"]["exit_code"] == 2
    assert left(shop) == []


@pytest.mark.parametrize("args", [("--only", "kind=gpu_fault"), ("--time-limit", "0.000001")])
def test_where_nothing_was_played_nothing_is_proved(shop: Project, args: tuple[str, ...]) -> None:
    done = shop.run("chaos", "shop.py:shop", "--input", "3", *args, wanted=5)
    assert "no cell was played; nothing is proved" in done.stdout
    assert "note: " in done.stdout


def test_a_workflow_that_cannot_be_imported_is_wrong_usage_and_told_once(shop: Project) -> None:
    shop.write("bad.py", "from surefoot import workflow\nraise KeyError('price')\n")
    done = shop.run("chaos", "bad.py:shop", wanted=2)
    assert done.stderr.count("KeyError: 'price'") == 2  # the traceback, and the message after it
    assert done.stderr.count("Traceback") == 1
    assert "cannot be imported" in done.stderr and done.stdout == ""
    shop.run("chaos", "shop.py:nothing", wanted=2)
    shop.run("chaos", "no_such_module:shop", wanted=2)


# -- choosing -------------------------------------------------------------------------------------


def test_the_list_is_what_would_be_played(shop: Project) -> None:
    told = shop.run("chaos", "list", "shop.py:shop", *QUICK).stdout.splitlines()
    assert told[0] == "load/before/killed  (recovered)"
    assert len(told) == 6
    sweep = shop.json(
        "chaos", "list", "shop.py:shop", "--input", "3", "--crash-sweep", "--only", "kind=write"
    )
    names = [one["id"] for one in sweep["cells"]]
    assert "write/1/before" in names and "write/1/EIO" in names


def test_a_sample_is_the_same_with_the_same_seed(shop: Project) -> None:
    def chosen(seed: str) -> list[str]:
        args = ("--input", "3", "--sample", "5", "--seed", seed)
        return [one["id"] for one in shop.json("chaos", "list", "shop.py:shop", *args)["cells"]]

    assert chosen("1") == chosen("1")
    assert len(chosen("1")) == 5
    assert chosen("1") != chosen("2")


def test_a_step_that_there_is_not_is_refused(shop: Project) -> None:
    told = shop.json("chaos", "shop.py:shop", "--input", "3", "--only", "step=lod", wanted=2)
    assert "did you mean 'load'?" in told["error"]["message"]


def test_two_faults_are_played_one_after_another(shop: Project) -> None:
    told = shop.json("chaos", "shop.py:shop", *QUICK, "--pairs")
    pairs = [one for one in told["cells"] if len(one["cell"]["faults"]) == 2]
    assert {one["outcome"] for one in pairs} == {"recovered"}
    names = [one["cell"]["id"] for one in pairs]
    assert "load/before/killed+pay/after/killed" in names
    assert "pay/after/killed+load/before/killed" not in names  # load is not run again
    assert all(one["fired"] == 2 and one["processes"] == 3 for one in pairs)


# -- replay ---------------------------------------------------------------------------------------


def test_a_cell_of_the_last_run_is_played_again_and_kept(shop: Project) -> None:
    shop.run("chaos", "shop.py:shop", *QUICK)
    done = shop.run("chaos", "replay", "pay/after/killed")
    assert done.stdout.startswith("pay/after/killed: recovered\n")
    assert "fault     killed after pay" in done.stdout
    assert "processes 2" in done.stdout
    assert "effect    pay: 1 received, 1 applied of 1; 0 duplicated, 0 lost" in done.stdout
    place = done.stdout.split("--journal ")[1].split()[0]
    assert Path(place).exists()
    told = shop.json("chaos", "replay", "pay/after/killed", "--keep", "kept")
    assert told["outcome"] == "recovered"
    assert (shop.path / "kept" / "pay--after--killed" / "fired.jsonl").exists()


def test_a_violation_is_replayed_as_one(shop: Project) -> None:
    only = ("--only", "step=load", "kind=parse_error")
    shop.run("chaos", "shop.py:shop", "--input", "3", *only, wanted=1)
    done = shop.run("chaos", "replay", "load/before/parse_error", wanted=1)
    assert "halted, which is not allowed" in done.stdout


def test_a_cell_that_the_last_run_had_not_names_the_nearest(shop: Project) -> None:
    told = shop.json("chaos", "replay", "pay/after/killed", wanted=2)
    assert "there was no chaos run in this project" in told["error"]["message"]
    shop.run("chaos", "shop.py:shop", *QUICK)
    told = shop.json("chaos", "replay", "pay/after/kiled", wanted=2)
    assert "did you mean 'pay/after/killed'?" in told["error"]["message"]
    assert "pay/after/killed" in shop.run("chaos", "list").stdout


def test_what_is_remembered_is_for_its_owner_alone(shop: Project) -> None:
    shop.run("chaos", "shop.py:shop", *QUICK)
    kept = shop.path / ".surefoot" / "chaos.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (kept.parent / ".gitignore").read_text() == "*\n"


# -- preparing ------------------------------------------------------------------------------------

SETUP = """
from contextlib import contextmanager
from surefoot.chaos.expect import Expect
from surefoot.testing import Entry

@contextmanager
def cell(folder):
    (folder / "orders").write_text("3")
    yield {
        "input": {"path": str(folder / "orders"), "n": 2},
        "environment": {"SHOP": "open"},
        "expect": [Expect(("halted",), step="load", kind="parse_error")],
        "effects": lambda: [Entry("row", "1", None, True, 0, 0.0)],
    }

@contextmanager
def whole():
    yield cell

@contextmanager
def wrong(folder):
    yield {"inputs": 3}
"""


@pytest.mark.parametrize("name", ["cell", "whole"])
def test_a_setup_prepares_each_cell(shop: Project, name: str) -> None:
    shop.write("prepare.py", SETUP)
    args = ("--setup", f"prepare.py:{name}", "--only", "step=load", "kind=parse_error,killed")
    told = shop.json("chaos", "shop.py:later", *args)
    assert told["control"]["result"] == "{folder}/orders"
    assert told["control"]["deeds"] == {"row": ["1"]}
    outcomes = {one["cell"]["id"]: one["outcome"] for one in told["cells"]}
    assert outcomes == {
        "load/before/parse_error": "halted",
        "load/before/killed": "recovered",
        "load/after/killed": "recovered",
    }


def test_the_settings_may_name_the_setup(shop: Project) -> None:
    shop.write("prepare.py", SETUP)
    shop.write("surefoot.toml", "[chaos]\nsetup = 'prepare.py:cell'\n")
    assert shop.json("chaos", "shop.py:later", "--only", "kind=killed")["exit_code"] == 0


def test_a_setup_that_yields_something_else_is_refused(shop: Project) -> None:
    shop.write("prepare.py", SETUP)
    told = shop.json("chaos", "shop.py:later", "--setup", "prepare.py:wrong", wanted=2)
    assert "it yielded inputs" in told["error"]["message"]
    told = shop.json("chaos", "shop.py:later", "--setup", "prepare.py:none", wanted=2)
    assert "has no 'none'" in told["error"]["message"]


# -- stopping -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("when", ["in the control run", "in the cells"])
def test_a_command_that_is_stopped_leaves_no_process_and_no_folder_behind(
    shop: Project, number: int, code: int, when: str
) -> None:
    end = time.monotonic() + 90
    if when == "in the control run":
        shop.write("slow", "")
    command = shop.process("chaos", "shop.py:shop", "--input", "3", "--jobs", "2")
    if when == "in the cells":
        _wait(lambda: (shop.path / ".surefoot" / "chaos.json").exists(), command.child, end)
        shop.write("slow", "")
    _wait(lambda: bool(list(shop.path.glob("began-*"))), command.child, end)
    out, _ = command.signal(number).end(code)
    assert out == ""
    for mark in shop.path.glob("began-*"):
        pid = int(mark.name.partition("-")[2])
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end, "the child outlived the command"
            time.sleep(0.01)
    assert left(shop) == []


def _wait(done: Callable[[], bool], child: Any, end: float) -> None:
    while not done():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_process_that_takes_too_long_is_stuck(shop: Project) -> None:
    shop.write("slow", "")
    done = shop.run("chaos", "shop.py:shop", *QUICK, "--timeout", "0.5", wanted=5)
    assert "it took too long (--timeout)" in done.stderr


def test_every_folder_is_kept_where_that_is_asked_for(shop: Project) -> None:
    shop.run("chaos", "shop.py:shop", *QUICK, "--keep", "kept")
    names = sorted(one.name for one in (shop.path / "kept").iterdir())
    assert names == [
        "control",
        "control-2",
        "load--after--killed",
        "load--before--killed",
        "log--after--killed",
        "log--before--killed",
        "pay--after--killed",
        "pay--before--killed",
    ]
    told = json.loads((shop.path / "kept" / "pay--after--killed" / "fired.jsonl").read_text())
    assert told["step"] == "pay"
