"""Checkpoints in a real S3 API: kept once, verified, retried by the catalog's rules."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, step, workflow
from surefoot.blobs.objects import ObjectBlobs, open_objects
from surefoot.clock import ManualClock
from surefoot.config import Config
from surefoot.errors import CheckpointDamaged, JournalError

from .conftest import Door

DATA = b"checkpoint" * 100_000
NAME = hashlib.sha256(DATA).hexdigest()
URL = "s3://checkpoints/team"


@pytest.fixture
def client(door: Door) -> Any:
    import boto3

    return boto3.client(
        "s3", aws_access_key_id="test", aws_secret_access_key="test",
        region_name="us-east-1",
    )  # fmt: skip


def key(digest: str = NAME) -> str:
    return f"team/{digest[:2]}/{digest}"


def opened(clock: ManualClock | None = None) -> ObjectBlobs:
    clock = clock or ManualClock()
    return open_objects(URL, clock, Runtime(clock=clock, config=Config()).classify)


def test_a_checkpoint_is_an_object_named_by_its_sha256_and_is_not_written_twice(
    door: Door, client: Any
) -> None:
    blobs = opened()
    blobs.put(NAME, DATA)
    assert client.get_object(Bucket="checkpoints", Key=key())["Body"].read() == DATA
    puts = door.count("PUT")
    blobs.put(NAME, DATA)
    opened().put(NAME, DATA)
    assert door.count("PUT") == puts
    assert blobs.get(NAME) == DATA


def test_an_object_of_another_size_is_written_anew(door: Door, client: Any) -> None:
    client.put_object(Bucket="checkpoints", Key=key(), Body=DATA[:-1])
    blobs = opened()
    with pytest.raises(CheckpointDamaged, match="other bytes"):
        blobs.get(NAME)
    blobs.put(NAME, DATA)
    assert blobs.get(NAME) == DATA


def test_a_missing_object_is_told_as_damage(door: Door) -> None:
    with pytest.raises(CheckpointDamaged, match="is missing"):
        opened().get(NAME)


def test_a_throttled_write_is_tried_again_by_the_catalogs_rule(door: Door) -> None:
    clock = ManualClock()
    blobs = opened(clock)
    before = clock.monotonic()
    door.refuse = [(503, "SlowDown"), (503, "SlowDown")]
    blobs.put(NAME, DATA)
    assert door.refuse == []
    assert blobs.get(NAME) == DATA
    assert clock.monotonic() > before  # it waited by the run's clock, not by a library's


def test_one_retry_loop_owns_it_and_gives_up_in_clear_words(door: Door) -> None:
    blobs = opened()
    blobs.put(NAME, DATA)
    door.seen.clear()
    door.always = (503, "SlowDown")
    with pytest.raises(JournalError, match=r"after 5 attempts: rate_limited.*then resume the run"):
        blobs.get(NAME)
    assert door.count("GET") == 5  # nothing beneath multiplied them


def test_denied_access_is_told_at_once_with_the_next_move(door: Door) -> None:
    blobs = opened()
    blobs.put(NAME, DATA)
    door.seen.clear()
    door.always = (403, "AccessDenied")
    with pytest.raises(JournalError, match=r"permission: .*credentials that may read, write"):
        blobs.get(NAME)
    assert door.count("GET") == 1


def test_a_bucket_that_does_not_exist_is_told(door: Door) -> None:
    clock = ManualClock()
    blobs = open_objects("s3://nowhere/x", clock, Runtime(clock=clock, config=Config()).classify)
    with pytest.raises(JournalError, match="create the bucket"):
        blobs.put(NAME, DATA)


def test_removed_objects_are_gone_and_missing_ones_are_no_error(door: Door) -> None:
    blobs = opened()
    blobs.put(NAME, DATA)
    blobs.remove([NAME, "ab" * 32])
    with pytest.raises(CheckpointDamaged):
        blobs.get(NAME)


@pytest.mark.parametrize(
    ("missing", "told"),
    [("s3fs", r"pip install 'surefoot\[objects\]' s3fs"), ("fsspec", r"'surefoot\[objects\]'")],
)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    missing: str, told: str
) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from surefoot.blobs.objects import open_objects; open_objects({URL!r}, None, None)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert re.search("ConfigError.*" + told, ended.stderr), ended.stderr


PROGRAM = """
import os, sys
from surefoot import Runtime, step, workflow

@step
def load() -> bytes:
    print("load ran", flush=True)
    return b"ab" * 500_000

@step
def die(data: bytes) -> int:
    if os.environ.get("DIE"):
        os._exit(9)
    return len(data)

@workflow
def flow() -> bytes:
    data = load()
    die(data)
    return data

if __name__ == "__main__":
    with Runtime():
        run = flow.with_options(run_id="r").start()
    print(run.status, len(run.result), flush=True)
"""


def test_a_dead_process_is_resumed_by_another_from_the_bucket(
    door: Door, client: Any, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environ = {
        **os.environ,
        "SUREFOOT_JOURNAL": str(tmp_path / "j.db"),
        "SUREFOOT_BLOBS": URL,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(program)], cwd=tmp_path, env={**environ, **more}, text=True,
            capture_output=True, timeout=100, check=False,
        )  # fmt: skip

    died = run(DIE="1")
    assert (died.returncode, died.stdout) == (9, "load ran\n"), died.stderr
    assert not (tmp_path / "j.db.blobs").exists()
    assert client.list_objects_v2(Bucket="checkpoints", Prefix="team/")["KeyCount"] == 1
    resumed = run()
    assert resumed.stdout == "completed 1000000\n", resumed.stderr


def test_a_damaged_object_is_noticed_and_its_step_runs_again(
    door: Door, client: Any, tmp_path: Path
) -> None:
    ran: list[str] = []

    @step
    def load() -> bytes:
        ran.append("load")
        return b"ab" * 500_000

    @step
    def count(data: bytes) -> int:
        ran.append("count")
        if len(ran) == 2:
            raise ValueError("a mended bug")
        return len(data)

    @workflow
    def flow() -> int:
        return count(load())

    with Runtime(journal=tmp_path / "j.db", config=Config(blobs=URL), clock=ManualClock()):
        assert flow.with_options(run_id="r").start().status == "halted"
        [found] = client.list_objects_v2(Bucket="checkpoints")["Contents"]
        client.put_object(Bucket="checkpoints", Key=found["Key"], Body=b"x" * found["Size"])
        assert flow.resume("r").result == 1_000_000
    assert ran == ["load", "count", "load", "count"]
