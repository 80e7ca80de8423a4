"""Personal data, valid and not: generated, so that nobody's is in the repository.

A valid one is hidden by a scrubber; an invalid one (a card number that fails the Luhn check, a
social security number of an area that is never given out) is a number like any other and stays.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from random import Random

from tests.scrub.formats.language import luhn

# What is made, and its parts that must go (one on each line), as generator.Case has them.
Made = tuple[str, str]

TEXTS = (
    "please call {} back about order 7",
    'customer record: {{"contact": "{}", "plan": "pro"}}',
    "2026-11-20 09:14:07,221 WARNING billing.load could not match {} to an account",
    "ValueError: unexpected value {!r}",
    "name;value\nAda;{}\nGrace;none",
    "The applicant gave {} and asked for a reply.",
)
FIRST = ("ada", "grace", "alan", "edsger", "barbara", "katherine", "linus", "radia", "tim")
LAST = ("lovelace", "hopper", "turing", "dijkstra", "liskov", "johnson", "perlman", "berners")
DOMAINS = ("example.com", "mail.example.org", "example.co.uk", "corp-mail.example.net", "gmail.com")


def in_text(make: Callable[[Random], Made], rng: Random) -> Made:
    """What *make* gives, in a sentence; its parts are in no other place of it."""
    body, parts = make(rng)
    return rng.choice(TEXTS).format(body), parts


def email(rng: Random) -> Made:
    """An address with the usual local parts (RFC 5321); the local part must go."""
    local = f"{rng.choice(FIRST)}{rng.choice(('.', '_', '-', ''))}{rng.choice(LAST)}"
    local += rng.choice(("", f"+{rng.choice(('news', 'test', 'shop'))}", str(rng.randint(2, 99))))
    if rng.random() < 0.2:
        local = local.title()
    return f"{local}@{rng.choice(DOMAINS)}", local


def phone_e164(rng: Random) -> Made:
    """A number with its country code: +, the code, the national number, spaces or none."""
    code, shapes = rng.choice(
        (
            ("1", ("212555####", "(415) 555-####", "303-555-####", "646.555.####")),
            ("44", ("7700 900###", "20 7946 0###", "7700900###")),
            ("49", ("30 #######", "151 ########", "89-#######")),
            ("33", ("6 ## ## ## ##", "612######")),
            ("81", ("90-####-####", "3 #### ####")),
            ("91", ("98### #####", "98########")),
            ("61", ("4## ### ###", "491570###")),
            ("55", ("11 9####-####", "21 9#### ####")),
        )
    )
    number = _digits(rng.choice(shapes), rng)
    return f"+{code}{rng.choice((' ', ''))}{number}", number


def phone_national(rng: Random) -> Made:
    """A number without country code, written with separators."""
    shape = rng.choice(
        (
            "(212) 555-####",
            "415-555-####",
            "303.555.####",
            "(0)20 7946 0###",
            "020 7946 0###",
            "07700 900###",
            "030/########",
            "0171-#######",
            "06 ## ## ## ##",
            "1-800-555-####",
        )
    )
    text = _digits(shape, rng)
    return f"{rng.choice(('phone: ', 'tel. ', ''))}{text}", text


def card(rng: Random) -> Made:
    """A card number of one of the brands, valid, plain or in groups."""
    digits = _card_digits(rng, valid=True)
    text = _grouped(digits, rng)
    return text, text


def iban(rng: Random) -> Made:
    """A valid account number of one of 20 countries (ISO 13616), plain or in fours."""
    text = _iban(rng, valid=True)
    return text, text[4:].lstrip()


def ssn(rng: Random) -> Made:
    """A US social security number of an area that is given out."""
    area = rng.choice([n for n in range(1, 900) if n != 666])
    text = f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"
    return f"SSN {text}" if rng.random() < 0.5 else text, text


def ipv4(rng: Random) -> Made:
    """A public IPv4 address."""
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address), str(address)


def ipv6(rng: Random) -> Made:
    """A public IPv6 address, in full or shortened."""
    address = ipaddress.IPv6Address((0x2A00 << 112) | rng.getrandbits(108))
    if rng.random() < 0.5:
        address = ipaddress.IPv6Address((0x2A02 << 112) | rng.getrandbits(32))
    return str(address), str(address)


def bad_card(rng: Random) -> str:
    """Digits in a card's shape that fail the check."""
    text = _grouped(_card_digits(rng, valid=False), rng)
    return f"shipment {text} left the warehouse"


def bad_iban(rng: Random) -> str:
    """Letters and digits in an IBAN's shape that fail mod 97."""
    return f"article {_iban(rng, valid=False)} is out of stock"


def bad_ssn(rng: Random) -> str:
    """The shape of a social security number with an area, group or serial never given out."""
    shape = rng.choice(("000-{:02d}-{:04d}", "666-{:02d}-{:04d}", "9{:02d}-00-{:04d}"))
    return f"batch {shape.format(rng.randint(1, 99), rng.randint(1, 9999))} was cut"


def bad_email(rng: Random) -> str:
    """What has an @ and is no address."""
    return rng.choice(
        (
            f"@{rng.choice(FIRST)} please look at this",
            "@app.task(bind=True)",
            f"npm install @types/node@20.{rng.randint(1, 30)}.0",
            "double@@at and trailing@ signs",
            f"actions/checkout@v{rng.randint(2, 5)} failed",
            "matrix product A @ B.T",
            f"pkg:pypi/requests@2.{rng.randint(20, 33)}.1",
            "systemd: Started user@1000.service.",
            f"git rev HEAD@{{{rng.randint(1, 9)}}}",
        )
    )


def bad_phone(rng: Random) -> str:
    """Digits and dashes that are no phone number."""
    return rng.choice(
        (
            f"pages 212-{rng.randint(213, 999)}",
            f"range {rng.randint(100, 999)}-{rng.randint(1000, 9999)} of {rng.randint(10000, 99999)}",
            f"version 1.{rng.randint(100, 999)}.{rng.randint(1000, 9999)}",
            f"took +{rng.randint(100, 999)} ms over {rng.randint(1000, 9999)} calls",
            f"epoch {rng.randint(1_700_000_000, 1_790_000_000)} to now",
            f"2026-11-{rng.randint(10, 28)} 0{rng.randint(1, 9)}:15",
            f"{rng.randint(10**8, 10**9 - 1)} rows in table",
            f"delta +{rng.randint(1, 99)}.{rng.randint(100, 999)}",
        )
    )


VALID: dict[str, Callable[[Random], Made]] = {
    "email": email,
    "phone-e164": phone_e164,
    "phone-national": phone_national,
    "card": card,
    "iban": iban,
    "ssn": ssn,
}
ADDRESSES: dict[str, Callable[[Random], Made]] = {"ipv4": ipv4, "ipv6": ipv6}
INVALID: dict[str, Callable[[Random], str]] = {
    "no-email": bad_email,
    "no-phone": bad_phone,
    "no-card": bad_card,
    "no-iban": bad_iban,
    "no-ssn": bad_ssn,
}

# A brand's first digits and lengths: ISO/IEC 7812, as the brands publish them.
BRANDS = (
    ("4", 16),
    ("4", 13),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("3528", 16),
    ("36", 14),
    ("62", 16),
)
# The account part of an IBAN by country (n: digit, c: capital or digit, a: capital): ISO 13616.
IBANS = {
    "AT": "n16",
    "BE": "n12",
    "CH": "n5c12",
    "CZ": "n20",
    "DE": "n18",
    "DK": "n14",
    "ES": "n20",
    "FI": "n14",
    "FR": "n10c11n2",
    "GB": "a4n14",
    "GR": "n7c16",
    "HU": "n24",
    "IE": "a4n14",
    "IT": "a1n10c12",
    "LU": "n3c13",
    "NL": "a4n10",
    "NO": "n11",
    "PL": "n24",
    "PT": "n21",
    "SE": "n20",
    "AE": "n19",
    "MT": "a4n5c18",
}
ALPHABETS = {
    "n": "0123456789",
    "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "c": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
}


def mod97(account: str) -> int:
    """The remainder of ISO 13616; 1 for a valid number (without spaces)."""
    turned = account[4:] + account[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97


def _digits(shape: str, rng: Random) -> str:
    return "".join(str(rng.randint(0, 9)) if sign == "#" else sign for sign in shape)


def _card_digits(rng: Random, *, valid: bool) -> str:
    start, size = rng.choice(BRANDS)
    while True:
        digits = start + "".join(rng.choice("0123456789") for _ in range(size - len(start)))
        if luhn(digits) is valid:
            return digits


def _grouped(digits: str, rng: Random) -> str:
    sign = rng.choice(("", " ", "-"))
    sizes = (4, 6, 5) if len(digits) == 15 else (4, 6, 4) if len(digits) == 14 else (4, 4, 4, 4)
    out, at = [], 0
    for size in sizes:
        out.append(digits[at : at + size])
        at += size
    return sign.join(out) if len(digits) != 13 else digits


def _iban(rng: Random, *, valid: bool) -> str:
    country = rng.choice(sorted(IBANS))
    account = "".join(
        rng.choice(ALPHABETS[kind])
        for kind, size in re.findall(r"([nac])(\d+)", IBANS[country])
        for _ in range(int(size))
    )
    check = 98 - mod97(country + "00" + account)
    if not valid:
        check = check + 1 if check < 98 else 2
    text = f"{country}{check:02d}{account}"
    if rng.random() < 0.5:
        text = " ".join(text[at : at + 4] for at in range(0, len(text), 4))
    return text
