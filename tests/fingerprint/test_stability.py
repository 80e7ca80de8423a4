"""The fingerprint of a failure outlives what changes around it: lines, names, folders, ids, Pythons."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime
from surefoot.fingerprint import failure
from surefoot.fingerprint.failure import fingerprint, normalised

ROOT = Path(__file__).resolve().parents[2]

WORK = """
import functools, importlib.util, json, sys, uuid

spec = importlib.util.spec_from_file_location("recipe", {recipe!r})
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)


class Busy(Exception):
    pass


def counted(fn):
    @functools.wraps(fn)
    def wrapper(*given):
        return fn(*given)
    return wrapper


def plain(row):
    {local} = row["id"]
    raise Busy(f"row {{{local}}} of {{object()}} in {{uuid.uuid4()}}")


@counted
def decorated(row):
    {local} = [row]
    return {local}[0]["none"]


by_lambda = lambda row: row["none"]


def in_a_comprehension(row):
    return [{local}["none"] for {local} in [row]]


def in_nested_ones(row):
    return {{k: [{local}["none"] for {local} in [row]] for k in "a"}}


def in_a_generator(row):
    return sum({local}["none"] for {local} in [row])


class Reader:
    def read(self, row):
        def inner():
            return row["none"]
        return inner()


SCENES = dict(
    plain=plain, decorated=decorated, by_lambda=by_lambda, comprehension=in_a_comprehension,
    nested=in_nested_ones, generator=in_a_generator, method=Reader().read,
)


def told():
    own = recipe.OwnFrames()
    found = {{}}
    for name, scene in SCENES.items():
        try:
            scene({{"id": uuid.uuid4().hex}})
        except Exception as exc:
            cls = type(exc)
            found[name] = recipe.fingerprint(
                "bug", f"{{cls.__module__}}.{{cls.__qualname__}}", "", own(exc.__traceback__)[1:], name
            )
    return json.dumps(found)


if __name__ == "__main__":
    print(told())
"""


def pythons() -> list[str]:
    """Each Python of this machine that Surefoot supports, this one among them."""
    place = ROOT / "tools" / "pythons.py"
    spec = importlib.util.spec_from_file_location("pythons", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [sys.executable, *module.find().values()]


def project(folder: Path, *, lines: int = 0, local: str = "one") -> Path:
    package = folder / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    source = WORK.format(recipe=failure.__file__, local=local)
    (package / "work.py").write_text("# moved\n" * lines + source)
    return folder


def told(folder: Path, *command: str, python: str = sys.executable) -> dict[str, str]:
    done = subprocess.run(
        [python, *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


IMPORTED = ("-c", "import shop.work as w; print(w.told())")


def test_lines_locals_folders_ids_and_ways_to_run_it_do_not_count(tmp_path: Path) -> None:
    here = project(tmp_path / "here")
    there = project(tmp_path / "an other" / "site-7", lines=41, local="renamed")
    first = told(here, *IMPORTED)
    assert len(set(first.values())) == 7, "different failures have different fingerprints"
    assert told(there, *IMPORTED) == first
    assert told(here, "shop/work.py") == first
    assert told(there, "-m", "shop.work") == first
    assert told(there / "shop", str(there / "shop" / "work.py")) == first


def test_every_python_tells_the_same_fingerprints(tmp_path: Path) -> None:
    here = project(tmp_path)
    found = {python: told(here, *IMPORTED, python=python) for python in pythons()}
    first = found[sys.executable]
    assert found == dict.fromkeys(found, first)


STEPS = """
from surefoot import Runtime, step, workflow

class Busy(Exception):
    pass

def inner(number):
    if number >= 0:
        raise Busy(f"number {number} of {object()}")

@step(attempts=1)
def plain(number):
    inner(number)

@step(attempts=1, isolation="process")
def apart(number):
    def nested():
        inner(number)
    nested()

@workflow
def flow(number: int) -> None:
    for one in (plain, apart):
        try:
            one(number)
        except Exception:
            pass
    inner(number)

if __name__ == "__main__":
    with Runtime(journal="j.db", durability="process"):
        flow.start(7)
"""


def journaled(folder: Path, *command: str) -> list[str]:
    """The fingerprints of the run that a command makes, its body's own failure last."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SUREFOOT_DURABILITY": "process"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    with Runtime(journal=folder / "j.db", create=False) as runtime:
        [run] = runtime.journal.runs()
        rows = runtime.journal.failures(run.pk)
    assert run.status == "halted" and run.error, done.stderr
    assert len(rows) == 2, [row.message for row in rows]
    return [*(row.fingerprint for row in rows), json.loads(run.error)["fingerprint"]]


def test_a_workflow_has_its_fingerprints_however_it_is_run(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    for number, command in enumerate(
        (
            "shop/work.py",
            "-m shop.work",
            "-m surefoot run shop.work:flow --input 3 --journal j.db",
            "-m surefoot run shop/work.py:flow --input 4 --journal j.db",
        )
    ):
        folder = tmp_path / f"place-{number}"
        (folder / "shop").mkdir(parents=True)
        (folder / "shop" / "__init__.py").touch()
        (folder / "shop" / "work.py").write_text("\n" * number + STEPS)
        found[command] = journaled(folder, *command.split())
    first = found["shop/work.py"]
    assert found == dict.fromkeys(found, first)
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("took 31.2 s", "took 29 s"),
        ("took 1,200 s, at -3.5", "took 900 s, at 17e-5"),
        ("order ab12cd34 is gone", "order 77ffe012 is gone"),
        ("key x9k2m", "key q4p7z"),
        ("file data/in/17.csv: bad", "file other/out/b.csv: bad"),
        ("file in/a.csv is bad", "file ./out.d/b.csv is bad"),
        ("no tmpabcdefgh", "no tmp0_k2x9zq"),
        ("<Reader object at 0x7f00aa> is closed", "<Reader object at 0x55c1> is closed"),
        ("ada@example.org is unknown", "b.o.b+x@mail.example.com is unknown"),
        ("at 2026-11-22T10:00:00.123Z", "at 2025-01-02T23:59:59.001Z"),
        ("https://a.example.org/v1/x?id=1 failed", "https://b.example.com/v1/y?id=2 failed"),
        ("host 10.0.0.7:443", "host 192.168.1.20:8443"),
        (r"C:\Users\ada\x.csv is bad", r"D:\work\y\z.csv is bad"),
    ],
)
def test_what_differs_from_case_to_case_is_left_out_of_messages(one: str, two: str) -> None:
    assert normalised(one) == normalised(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("No module named 'foo.bar'", "No module named 'foo.baz'"),
        ("read and/or write", "read and/or delete"),
        ("cannot decode text/html", "cannot decode text/plain"),
        ("the disk is full", "the disk is empty"),
    ],
)
def test_what_is_said_stays_in_messages(one: str, two: str) -> None:
    assert normalised(one) != normalised(two)


def test_the_one_timeout_of_todays_python_has_one_name() -> None:
    names = (
        "builtins.TimeoutError",
        "asyncio.exceptions.TimeoutError",
        "concurrent.futures._base.TimeoutError",
    )
    assert len({fingerprint("timeout", name, frames=("a:b",)) for name in names}) == 1
    assert fingerprint("timeout", "x.TimeoutError") != fingerprint("timeout", names[0])


def test_a_cell_of_a_notebook_is_the_program_itself() -> None:
    def label(filename: str) -> str:
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(compile("def load():\n    raise KeyError\n", filename, "exec"), space)
        try:
            space["load"]()
        except KeyError as exc:
            return failure.OwnFrames()(exc.__traceback__)[-1]
        raise AssertionError

    cells = (
        "/tmp/ipykernel_71/2884.py",
        "/tmp/ipykernel_9/17.py",
        "<ipython-input-3-ab>",
        "<stdin>",
    )
    assert {label(cell) for cell in cells} == {"__main__:load"}


def test_a_hostile_message_takes_no_time() -> None:
    import time

    for unit in ("a", "/a", "1.", "a1", "-", "_a1", "a.", "@a", "\\", "1,1e"):
        began = time.perf_counter()
        normalised(unit * 100_000)
        assert time.perf_counter() - began < 0.5, unit


def test_a_module_whose_name_is_no_text_breaks_nothing() -> None:
    space: dict[str, Any] = {"__name__": ["odd"]}
    exec(compile("def load():\n    raise KeyError\n", "/home/ada/odd.py", "exec"), space)
    with pytest.raises(KeyError) as caught:
        space["load"]()
    assert failure.OwnFrames()(caught.tb)[-1] == "['odd']:load"
