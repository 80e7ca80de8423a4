"""The engine, and the small parts that no text reaches by itself."""

from __future__ import annotations

import hashlib

import pytest

from surefoot.scrub import scrub_text
from surefoot.scrub.engine import BadPattern, Triggers, compiled, literal
from surefoot.scrub.hits import free


def test_triggers_may_be_of_one_sort_only() -> None:
    assert Triggers(["abc", "abd"]).of(b"abd") == [1]
    assert Triggers(["x+"]).of(b"x") == [0]
    assert Triggers([]).of(b"x") == []


def test_a_pattern_that_is_none_says_why() -> None:
    with pytest.raises(BadPattern, match="missing"):
        compiled("a(b")


def test_a_literal_stands_for_itself() -> None:
    for text in ("a.b+c[", "ü€", "x\ny"):
        assert compiled(literal(text)).fullmatch(text.encode())


def test_what_an_escape_ends_with_belongs_to_no_word() -> None:
    assert free(b"a=KEY;", 2, 5) and not free(b"KEYs", 0, 3) and not free(b"monKEY", 3, 6)
    for before in (rb"\n", b"%3D", rb"\x3d", rb"\u003d"):
        assert free(before + b"KEY", len(before), len(before) + 3), before


def _wallet_key(body: bytes) -> str:
    raw = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number = int.from_bytes(raw, "big")
    digits = ""
    while number:
        number, rest = divmod(number, 58)
        digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[rest] + digits
    return digits


def test_a_wallet_s_key_is_one_if_its_check_digits_are_right() -> None:
    key = _wallet_key(b"\x80" + bytes(range(1, 33)))
    assert scrub_text(f"use {key} now") == "use [bitcoin key] now"
    wrong = key[:-1] + ("1" if key[-1] != "1" else "2")
    assert scrub_text(f"use {wrong} now") == f"use {wrong} now"
