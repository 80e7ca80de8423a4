"""The small language in which the data files describe texts, and what renders it.

A template is text with groups in braces:

- ``{[A-Z2-7]16}``: 16 random characters of that class; ``{[0-9a-f]8-12}``: 8 to 12 of them.
  They are *secret*: a scrubber must not let them through.
- ``{[a-z]6?}``: the same, but public (a user's name, a host): it may stay.
- ``{live|test}``: one of these; ``{TS}``, ``{UUID}``, ``{NL}`` …: a name of `MACROS`.
- ``{json:…}``, ``{pct:…}``, ``{b64:…}``, ``{b64url:…}``, ``{badluhn:…}``: what the inner template
  gives, escaped as the inside of a JSON string, percent-encoded, in base64, or with digits that
  fail the Luhn check. A question mark after the name (``{b64url?:…}``) makes it all public.
- a backslash takes the next character as it is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

_DAY = "2026-1{[0-2]1?}-{[0-2]1?}{[1-8]1?}"
_TIME = "{[01]1?}{[0-9]1?}:{[0-5]1?}{[0-9]1?}:{[0-5]1?}{[0-9]1?}"
MACROS = {
    "NL": "\n",
    "TS": f"{_DAY} {_TIME}",
    "ISO": f"{_DAY}T{_TIME}.{{[0-9]3?}}Z",
    "UUID": "{[0-9a-f]8?}-{[0-9a-f]4?}-4{[0-9a-f]3?}-{[89ab]1?}{[0-9a-f]3?}-{[0-9a-f]12?}",
    "ULID": "01{[0-9A-HJKMNP-TV-Z]24?}",
    "MOD": "{etl|billing|worker|app}.{client|tasks|load|http}",
    "N": "{[1-9]1?}{[0-9]0-2?}",
}
# Literals this short between two secret pieces belong to the secret: the dashes of a UUID.
GLUE = 3


@dataclass(frozen=True)
class Rendered:
    """A text and the pieces of it that are secret, as they stand in it."""

    text: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Literal:
    text: str


@dataclass(frozen=True)
class Chars:
    alphabet: str
    low: int
    high: int
    public: bool


@dataclass(frozen=True)
class Choice:
    options: tuple[Sequence, ...]


@dataclass(frozen=True)
class Call:
    name: str
    inner: Sequence
    public: bool


@dataclass(frozen=True)
class Sequence:
    """A parsed template."""

    nodes: tuple[Literal | Chars | Choice | Call, ...]


def parse(template: str) -> Sequence:
    """What *template* says. Raises ValueError, with the place, for what it cannot read."""
    sequence, end = _sequence(template, 0, "")
    if end != len(template):
        raise ValueError(f"left over from {end}: {template!r}")
    return sequence


def render(sequence: Sequence, rng: Random) -> Rendered:
    """One text that fits *sequence*, of *rng*'s choosing."""
    text, parts = "", list[str]()
    glue: str | None = None  # the literal since the last secret piece; None: cannot be joined on
    for node in sequence.nodes:
        piece, public = _render_node(node, rng)
        text += piece.text
        if isinstance(node, Literal):
            glue = None if glue is None or "\n" in node.text else glue + node.text
        elif piece.parts:
            if parts and glue is not None and len(glue) <= GLUE and not public:
                parts[-1] += glue + piece.parts[0]
                parts += piece.parts[1:]
            else:
                parts += piece.parts
            glue = ""
        elif piece.text:
            glue = None
    return Rendered(text, tuple(parts))


def matches(sequence: Sequence, text: str) -> bool:
    """Whether *text* is one that *sequence* describes."""
    return _fits(sequence.nodes, text)


def pattern(sequence: Sequence) -> str:
    """*sequence* as a regular expression; what a function made is any text without a space."""
    out = ""
    for node in sequence.nodes:
        if isinstance(node, Literal):
            out += re.escape(node.text)
        elif isinstance(node, Chars):
            out += f"[{re.escape(node.alphabet)}]{{{node.low},{node.high}}}"
        elif isinstance(node, Choice):
            out += "(?:" + "|".join(pattern(option) for option in node.options) + ")"
        else:
            out += r"(?:\S+)"
    return out


def _fits(nodes: tuple[Literal | Chars | Choice | Call, ...], text: str) -> bool:
    calls = [n for n in nodes if isinstance(n, Call)]
    whole = pattern(Sequence(nodes)).replace(r"(?:\S+)", r"(\S+)")
    found = re.fullmatch(whole, text)
    if found is None:
        return False
    return all(_made_by(call, made) for call, made in zip(calls, found.groups(), strict=True))


def _made_by(call: Call, made: str) -> bool:
    """Whether *made* is what the function gives for a text that its inner template describes."""
    if call.name not in ("b64", "b64url"):
        raise ValueError(f"{call.name} cannot be undone at {made!r}")
    try:
        inner = base64.urlsafe_b64decode(made + "=" * (-len(made) % 4)).decode()
    except ValueError:
        return False
    return FUNCTIONS[call.name][0](inner) == made and matches(call.inner, inner)


def _render_node(node: Literal | Chars | Choice | Call, rng: Random) -> tuple[Rendered, bool]:
    if isinstance(node, Literal):
        return Rendered(node.text), True
    if isinstance(node, Chars):
        size = rng.randint(node.low, node.high)
        text = "".join(rng.choice(node.alphabet) for _ in range(size))
        return Rendered(text, () if node.public or not text else (text,)), node.public
    if isinstance(node, Choice):
        return render(rng.choice(node.options), rng), False
    inner = render(node.inner, rng)
    change, whole = FUNCTIONS[node.name]
    parts: tuple[str, ...] = ()
    if inner.parts and not node.public:
        parts = (change(inner.text),) if whole else tuple(change(part) for part in inner.parts)
    return Rendered(change(inner.text), parts), node.public


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _percent(text: str) -> str:
    return quote(text, safe="")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def luhn(digits: str) -> bool:
    """Whether *digits* pass the check of ISO/IEC 7812, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _bad_luhn(text: str) -> str:
    if not luhn(re.sub(r"\D", "", text)):
        return text
    return text[:-1] + str((int(text[-1]) + 1) % 10)


# How a function changes a text, and whether what comes out is one secret as a whole.
FUNCTIONS: dict[str, tuple[Callable[[str], str], bool]] = {
    "json": (_json, False),
    "pct": (_percent, False),
    "b64": (_base64, True),
    "b64url": (_base64url, True),
    "badluhn": (_bad_luhn, True),
}

_CHARS = re.compile(r"\[((?:[^\]\\]|\\.)+)\](\d+)?(?:-(\d+))?(\?)?\}", re.S)
_CALL = re.compile(f"({'|'.join(FUNCTIONS)})(\\??):")
_NAME = re.compile(r"([A-Z]+)\}")


def _sequence(template: str, at: int, stops: str) -> tuple[Sequence, int]:
    nodes: list[Literal | Chars | Choice | Call] = []
    text = ""
    while at < len(template) and template[at] not in stops:
        if template[at] == "\\":
            text += template[at + 1]
            at += 2
        elif template[at] != "{":
            text += template[at]
            at += 1
        else:
            if text:
                nodes.append(Literal(text))
                text = ""
            group, at = _group(template, at + 1)
            nodes += group
    if text:
        nodes.append(Literal(text))
    return Sequence(tuple(nodes)), at


def _group(template: str, at: int) -> tuple[tuple[Literal | Chars | Choice | Call, ...], int]:
    if found := _CHARS.match(template, at):
        alphabet, low, high, public = found.groups()
        least = int(low) if low else 1
        most = int(high) if high else least
        return (Chars(_alphabet(alphabet), least, most, bool(public)),), found.end()
    if (found := _NAME.match(template, at)) and found[1] in MACROS:
        return parse(MACROS[found[1]]).nodes, found.end()
    if found := _CALL.match(template, at):
        inner, end = _sequence(template, found.end(), "}")
        _expect(template, end, "}")
        return (Call(found[1], inner, bool(found[2])),), end + 1
    options: list[Sequence] = []
    while True:
        option, at = _sequence(template, at, "|}")
        options.append(option)
        if at < len(template) and template[at] == "|":
            at += 1
            continue
        _expect(template, at, "}")
        if len(options) == 1:
            raise ValueError(f"a group of one choice ends at {at}: {template!r}")
        return (Choice(tuple(options)),), at + 1


def _expect(template: str, at: int, wanted: str) -> None:
    if template[at : at + 1] != wanted:
        raise ValueError(f"expected {wanted!r} at {at}: {template!r}")


def _alphabet(spec: str) -> str:
    out, at = "", 0
    while at < len(spec):
        if spec[at] == "\\":
            out += spec[at + 1]
            at += 2
        elif at + 2 < len(spec) and spec[at + 1] == "-":
            out += "".join(map(chr, range(ord(spec[at]), ord(spec[at + 2]) + 1)))
            at += 3
        else:
            out += spec[at]
            at += 1
    return "".join(dict.fromkeys(out))
