"""Long texts are cut where no secret is."""

from __future__ import annotations

import io

import pytest

from surefoot.scrub import Scrubber
from surefoot.scrub.stream import pieces

KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEabcd\n" * 300 + "-----END RSA PRIVATE KEY-----\n"


def cleaned(text: str, size: int) -> str:
    scrubber = Scrubber()
    read = io.BytesIO(text.encode()).read
    return b"".join(
        scrubber.replaced(data, found) for data, found in pieces(scrubber, read, size)
    ).decode()


@pytest.mark.parametrize("size", [7, 100, 1_000, 5_000, 1 << 20])
def test_lines_come_out_whole_whatever_the_pieces(size: int) -> None:
    text = "".join(f"line {n} password=hunter2-{n} ümlaut\n" for n in range(300)) + "the end"
    assert cleaned(text, size) == Scrubber().text(text)


@pytest.mark.parametrize("size", [64, 500, 1_000, 3_000, 1 << 20])
def test_a_private_key_is_not_lost_at_a_cut(size: int) -> None:
    text = "before\n" + KEY + "between\n" * 40 + KEY + "after\n"
    assert cleaned(text, size) == "before\n[private key]\n" + "between\n" * 40 + (
        "[private key]\nafter\n"
    )


def test_a_key_that_never_ends_is_not_waited_for() -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + "MIIEabcd\n" * 20_000 + "\nafter\n"
    clean = cleaned(text, 10_000)
    assert clean.startswith("[private key]")
    assert clean.endswith("\nafter\n")


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_text_without_lines_is_cut_behind_a_secret(size: int) -> None:
    text = ", ".join(f'"n{n}": {n}, "password": "hunter2-{n}-x"' for n in range(20_000))
    clean = cleaned(text, size)
    assert "hunter2" not in clean
    assert clean.count("[secret]") == 20_000


def test_what_stands_far_behind_the_cut_waits_for_the_next_piece() -> None:
    text = ("y" * 900 + " password=hunter2-x ") * 300
    clean = cleaned(text, 50_000)
    assert "hunter2" not in clean
    assert clean.count("[secret]") == 300


def test_nothing_gives_nothing() -> None:
    assert list(pieces(Scrubber(), io.BytesIO(b"").read)) == []
