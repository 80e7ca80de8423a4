"""Personal data, with what makes it certain: check digits, areas that exist, ends of domains.

E-mail addresses, phone numbers (international, and North American with its signs), payment cards
(Luhn), IBANs (mod 97), US social security numbers (the areas that are given out) and, if asked for,
IP addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from .engine import compiled
from .hits import Hit, Rule

__all__ = ["KINDS", "BY_DEFAULT", "is_card", "is_ssn", "personal_rules", "stands_named"]

KINDS = ("email", "phone", "card", "iban", "ssn", "ip")
BY_DEFAULT = ("email", "phone", "card", "iban", "ssn")


def _digits(text: bytes) -> bytes:
    return bytes(one for one in text if 48 <= one <= 57)


def luhn(digits: bytes) -> bool:
    """The check of ISO/IEC 7812-1.

    >>> luhn(b"4111111111111111"), luhn(b"4111111111111112")
    (True, False)
    """
    total = 0
    for place, one in enumerate(reversed(digits)):
        digit = one - 48
        if place % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def is_card(text: bytes) -> bool:
    """Whether it is the number of a payment card: an issuer's range, its length, the check digit.

    >>> is_card(b"4111 1111 1111 1111"), is_card(b"1234 5678 9012 3452")
    (True, False)
    """
    digits = _digits(text)
    size = len(digits)
    if len(set(digits)) < 2:
        return False
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    known = (
        (digits[:1] == b"4" and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((four == 6011 or two == 65 or 644 <= three <= 649) and size in (16, 19))
        or (3528 <= four <= 3589 and size in (16, 19))
        or ((300 <= three <= 305 or two in (36, 38, 39)) and size in (14, 16, 19))
        or (two in (62, 81) and 16 <= size <= 19)
        or (2200 <= four <= 2204 and size == 16)
        or (two in (50, 56, 57, 58, 63, 67) and 16 <= size <= 19)
        or (two in (60, 65) and size == 16)
    )
    return known and luhn(digits)


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


_VALUES = {one: str(value) for value, one in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def iban_length(text: bytes) -> int:
    """How many characters of ``text`` are an IBAN, blanks among them; 0 if it does not begin with one.

    >>> iban_length(b"DE89 3704 0044 0532 0130 00 AND"), iban_length(b"DE88 3704 0044 0532 0130 00")
    (27, 0)
    """
    size = _IBAN_LENGTHS.get(text[:2].decode("latin-1").upper(), 0)
    bare = text.replace(b" ", b"").replace(b"-", b"")[:size]
    if not size or len(bare) < size or not bare.isalnum():
        return 0
    turned = (bare[4:] + bare[:4]).decode("latin-1").upper()
    if int("".join(_VALUES[one] for one in turned)) % 97 != 1:
        return 0
    place = 0
    while size:
        size -= text[place] not in b" -"
        place += 1
    return place


def is_ssn(text: bytes) -> bool:
    """Whether the parts are given out: https://www.ssa.gov/employer/randomization.html

    >>> is_ssn(b"219-09-1234"), is_ssn(b"666-09-1234"), is_ssn(b"219-00-1234")
    (True, False, False)
    """
    digits = _digits(text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        len(digits) == 9
        and area not in (b"000", b"666")
        and area < b"900"
        and group != b"00"
        and serial != b"0000"
        and len(set(digits)) > 1
    )


# Country codes of the ITU's list E.164 that have one or two digits; all others have three.
_CODES = frozenset(
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 "
    "82 84 86 90 91 92 93 94 95 98".split()
)


def is_phone(text: bytes) -> bool:
    """Whether it is a phone number: its country exists, or it is one of North America's.

    >>> is_phone(b"+49 30 901820"), is_phone(b"(415) 555-2671"), is_phone(b"+999 123")
    (True, True, False)
    """
    digits = _digits(text).decode()
    if len(set(digits[2:])) < 2:
        return False
    if text[:1] == b"+" or text[:2] == b"00":
        digits = digits.lstrip("0")
        if digits[:1] == "1":
            return len(digits) == 11 and digits[1] in "23456789"
        known = (
            digits[:1] in _CODES
            or digits[:2] in _CODES
            or (digits[:1] in "23456789" and digits[:3] not in ("999", "888"))
        )
        return known and 9 <= len(digits) <= 15
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    return len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789"


_FILES = frozenset(
    "bmp css csv gif go gz html ico jpeg jpg js json jsx map md mp3 mp4 pdf png py rb rs scss sh so svg "
    "service target timer mount slice tar toml ts tsx txt vue wav webm webp xml yaml yml zip local localdomain internal".split()
)


def is_email(text: bytes) -> bool:
    """Whether it is an address rather than a picture's name or a server's.

    >>> is_email(b"ada@example.org"), is_email(b"icon@2x.png"), is_email(b"git@github.com")
    (True, False, False)
    """
    user, _, domain = text.decode("latin-1").rpartition("@")
    end = domain.rpartition(".")[2].lower()
    if end in _FILES or user.lower() in ("git", "hg", "svn"):
        return False
    return end.isalpha() or end.startswith("xn--")


class _Form(NamedTuple):
    kind: str
    trigger: str
    pattern: str
    check: Callable[[bytes], bool]


_FORMS = (
    _Form(
        "email",
        r"[A-Za-z0-9_+-](?:@|%40)[A-Za-z0-9]",
        r"[A-Za-z0-9.!#$%&*+/=?^_`{|}~\x80-\xff-]{1,64}@(?:[A-Za-z0-9\x80-\xff-]{1,63}\.){1,5}[A-Za-z\x80-\xff][A-Za-z0-9\x80-\xff-]{1,24}",
        is_email,
    ),
    _Form(
        "phone",
        r"[+][1-9]|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4}",
        r"[+][1-9](?:[ .()/-]{0,2}[0-9]){7,14}|(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}",
        is_phone,
    ),
    # national ones, as they are written in the United Kingdom, France and Germany
    _Form(
        "phone",
        r"\b0[1-9][0-9]*[ ./-][0-9]",
        r"0(?:20[ -][0-9]{4}[ -][0-9]{4}|[1-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{4}|[1-9][0-9]{3}[ -][0-9]{6}|7[0-9]{3}[ ][0-9]{3}[ ][0-9]{3}"
        r"|[1-9](?:[ .-][0-9]{2}){4}|[1-9][0-9]{1,4}[/-][0-9]{6,8}|[1-9][0-9]{1,3}[ ][0-9]{6,8})",
        lambda text: len(set(_digits(text))) > 3,
    ),
    _Form(
        "phone",
        r"(?i:\b(?:tel|phone|mobile|fax|call|telefon|handy|cell)[.:]?[ ]{1,2}[+(0-9])",
        r"(?i:\b(?:tel|phone|mobile|fax|telefon|handy|cell)(?:[ ]no)?[.:]?[ ]{1,2})([+(]?[0-9](?:[ ./()-]{0,2}[0-9]){6,13})",
        lambda text: len(set(_digits(text))) > 2,
    ),
    _Form(
        "card",
        r"[0-9]{12}|[0-9]{4}[ -][0-9]{4,6}[ -][0-9]{4,5}",
        r"[2-68][0-9]{12,18}|[2-68][0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{3})?|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}",
        is_card,
    ),
    _Form(
        "ssn",
        r"[0-8][0-9]{2}[- ][0-9]{2}[- ][0-9]{4}",
        r"[0-8][0-9]{2}(?:-[0-9]{2}-|\x20[0-9]{2}\x20)[0-9]{4}",
        is_ssn,
    ),
)


def personal_rules(kinds: tuple[str, ...]) -> list[Rule]:
    """The rules for these kinds of personal data."""
    rules = []
    for form in _FORMS:
        if form.kind in kinds:
            rules.append(
                Rule(f"personal: {form.kind}", (form.trigger,), _Finder(form), _WHY[form.kind])
            )
    if "iban" in kinds:
        rules.append(
            Rule(
                "personal: iban",
                (r"[A-Z]{2}[0-9]{2}[ ]?[A-Z0-9]{4}[ ]?[A-Z0-9]{4}",),
                _ibans,
                _WHY["iban"],
            )
        )
    if "ip" in kinds:
        rules.append(
            Rule(
                "personal: ip",
                (r"[0-9]\.[0-9]{1,3}\.", r"[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:"),
                _ips,
                _WHY["ip"],
            )
        )
    return rules


_WHY = {
    "email": "an e-mail address",
    "phone": "a phone number of a country that exists",
    "card": "a card number whose check digit (Luhn) is right",
    "iban": "an account number whose check digits (mod 97) are right",
    "ssn": "a US social security number of an area that is given out",
    "ip": "an IP address",
}

_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


def _alone(text: bytes, start: int, end: int) -> bool:
    """No part of a longer number, id or word."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (before[-1] in _WORD or before[-1] in b"-+#"):
        # what an escape ends with belongs to no number
        return before in (rb"\n", rb"\t", rb"\r") and not (after and after[0] in _WORD)
    if after and after[0] in _WORD:
        return False
    if before and before[-1] in b".:/" and len(before) > 1 and 48 <= before[0] <= 57:
        return False  # 0.4111…, 12:4111…
    return not (len(after) > 1 and after[0] in b"-./:" and 48 <= after[1] <= 57)


class _Finder:
    """Finds what has a form and passes its check."""

    def __init__(self, form: _Form) -> None:
        self._form = form

    def __call__(self, text: bytes) -> Iterator[Hit]:
        kind, _, pattern, check = self._form
        made = compiled(pattern)
        for match in made.finditer(text):
            start, end = match.span(1 if made.groups else 0)
            if kind == "email":
                start, end = _trimmed(text, start, end)
                if b"://" in text[max(0, start - 200) : start] and _user_of_url().search(
                    text, max(0, start - 200), start
                ):
                    continue
            elif not _alone(text, start, end):
                continue
            if check(text[start:end]):
                yield Hit(start, end, kind, f"personal: {kind}")


@cache
def _user_of_url() -> re.Pattern[bytes]:
    return re.compile(rb"://[^\s/@\"'<>]*$")


def _trimmed(text: bytes, start: int, end: int) -> tuple[int, int]:
    """An address without what joins it to its left: ``to=ada@…``, ``//ada@…``, ``%3Cada@…``."""
    user = text[start:end].split(b"@")[0]
    if user.isalnum():
        return start, end
    user = re.split(rb"[=/&|{?`'*]", user)[-1].lstrip(b".")
    return start + text[start:end].index(b"@") - len(user), end


def _ibans(text: bytes) -> Iterator[Hit]:
    reached = 0
    for match in compiled(r"[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}").finditer(text):
        start = match.start()
        if start < reached:
            continue
        size = iban_length(text[start : start + 45])
        if size and _alone(text, start, start + size):
            reached = start + size
            yield Hit(start, reached, "iban", "personal: iban")


def _ips(text: bytes) -> Iterator[Hit]:
    import ipaddress

    pattern = (
        r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:[0-9.]{0,15})"
    )
    for match in compiled(pattern).finditer(text):
        start, end = match.span()
        if not _alone(text, start, end):
            continue
        try:
            address = ipaddress.ip_address(text[start:end].decode("ascii"))
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            yield Hit(start, end, "ip", "personal: ip")


@cache
def _named() -> dict[str, re.Pattern[bytes]]:
    """What stands behind a name that says what it is: the name takes the place of the signs."""
    lead = rb"""[ \t]{0,8}\\{0,7}["']?"""
    return {
        "phone": re.compile(lead + rb"([+(]?[0-9](?:[ .()/-]{0,2}[0-9]){6,14})(?![0-9A-Za-z])"),
        "ssn": re.compile(lead + rb"([0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4})(?![0-9A-Za-z])"),
        "card": re.compile(lead + rb"([0-9](?:[ -]?[0-9]){12,18})(?![0-9A-Za-z])"),
        "iban": re.compile(lead + rb"([A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){10,32})"),
        "email": re.compile(
            lead + rb"([^\s\"'<>\\@]{1,64}(?:@|%40)[A-Za-z0-9.-]{2,80}[A-Za-z0-9])"
        ),
    }


def stands_named(text: bytes, at: int, kind: str) -> Iterator[tuple[int, int]]:
    """The places of personal data right behind its name."""
    match = _named()[kind].match(text, at)
    if match is None:
        return
    start, end = match.span(1)
    if kind == "ssn" and not is_ssn(text[start:end]):
        return
    if kind == "card" and not luhn(_digits(text[start:end])):
        return
    if kind == "iban":
        size = iban_length(text[start:end])
        if not size:
            return
        end = start + size
    yield start, end
