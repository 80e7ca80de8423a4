"""`surefoot scrub`: a file or a stream without its secrets, or what was found in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (
    b"first line\npassword=hunter2 and ada@example.org\n-----BEGIN PRIVATE KEY-----\nMIIE\nabcd\n"
    b"-----END PRIVATE KEY-----\nlast: token=abc123\n"
)


def surefoot(folder: Path, *args: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "surefoot", "scrub", *args],
        input=given, capture_output=True, cwd=folder, timeout=60,
    )  # fmt: skip


def test_a_file_and_a_stream_come_out_without_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(TEXT)
    given = (("app.log",), ()), (("-",), TEXT), ((), TEXT)
    for args, stdin in given:
        done = surefoot(tmp_path, *args, given=bytes(stdin))
        assert done.returncode == 0 and done.stderr == b""
        lines = done.stdout.decode().splitlines()
        assert lines[0] == "first line"
        assert lines[1].startswith("password=[secret ") and " and [email " in lines[1]
        assert lines[2].startswith("[private key ")
        assert len(lines) == 4
        assert not {b"hunter2", b"MIIE", b"abc123", b"ada@"} & set(done.stdout.split())
    assert os.listdir(tmp_path) == ["app.log"]  # no journal and no key are made for that


def test_it_says_what_it_would_hide_and_never_the_secret(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(TEXT)
    done = surefoot(tmp_path, "app.log", "--explain")
    assert done.returncode == 0
    told = done.stdout.decode().splitlines()
    assert told[0].startswith("app.log:2:10: password [secret ")
    assert told[0].endswith(" (keyed): it stands behind a secret's name")
    assert told[1].startswith("app.log:2:22: [email ")
    assert told[3].startswith("app.log:7:13: token [secret ")
    assert told[4] == "4 findings"
    assert b"hunter2" not in done.stdout and b"abc123" not in done.stdout


def test_the_same_for_programs(tmp_path: Path) -> None:
    done = surefoot(tmp_path, "--json", given=TEXT)
    document = json.loads(done.stdout)
    assert (document["file"], document["count"]) == ("-", 4)
    first = document["findings"][0]
    assert {name: first[name] for name in ("line", "column", "rule", "kind", "name")} == {
        "line": 2, "column": 10, "rule": "keyed", "kind": "secret", "name": "password",
    }  # fmt: skip
    assert document["findings"][1]["name"] is None
    assert "hunter2" not in done.stdout.decode()


def test_lines_are_counted_across_pieces(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(200_000)) + b"password=hunter2\n"
    (tmp_path / "long.log").write_bytes(text)
    found = json.loads(surefoot(tmp_path, "long.log", "--json").stdout)["findings"]
    assert [(one["line"], one["column"]) for one in found] == [(200_001, 10)]
    assert len(surefoot(tmp_path, "long.log").stdout) > len(text)


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    data = bytes(range(256)) + b"\ntoken=abc123\n" + bytes(range(255, -1, -1))
    done = surefoot(tmp_path, given=data)
    start, end = done.stdout.split(b"abc123")[0], bytes(range(255, -1, -1))
    assert done.stdout.startswith(bytes(range(256)) + b"\ntoken=[secret ")
    assert done.stdout.endswith(end) and start


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_texts_of_windows_tools_are_read_as_what_they_are(tmp_path: Path, encoding: str) -> None:
    done = surefoot(tmp_path, given="größe token=abc123 ende".encode(encoding))
    text = done.stdout.decode(encoding)
    assert text.startswith("größe token=[secret ") and text.endswith("] ende")


def test_nothing_gives_nothing(tmp_path: Path) -> None:
    done = surefoot(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert surefoot(tmp_path, "--explain").stdout == b"0 findings\n"


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    done = surefoot(tmp_path, "missing.log")
    assert done.returncode == 2 and b"'missing.log' does not exist" in done.stderr
    (tmp_path / "surefoot.toml").write_text('[scrub]\nnames = ["x"]\n')
    done = surefoot(tmp_path, given=TEXT)
    assert done.returncode == 2
    assert b"surefoot.toml: [scrub] names[0] = 'x' must have three letters or more" in done.stderr
    assert done.stdout == b""


def test_a_stream_that_goes_on_is_shown_as_it_comes(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "surefoot", "scrub"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(b"token=abc123\n")
        child.stdin.flush()
        assert child.stdout.readline().startswith(b"token=[secret ")
    finally:
        child.stdin.close()
        child.stdout.close()
        assert child.wait(30) == 0


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "long.log").write_bytes(TEXT * 50_000)
    done = subprocess.run(
        f"{sys.executable} -m surefoot scrub long.log | head -n 1",
        shell=True, capture_output=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (b"first line\n", b"")
