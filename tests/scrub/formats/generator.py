"""Texts with secrets of the documented formats, made anew from a seed; and harmless ones.

Every text comes from the templates in data/ (see README.md there), so that no secret stands in
the repository. The same seed gives the same texts on every machine; a format that is added does
not change those of the others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.scrub.formats import personal
from tests.scrub.formats.language import Rendered, Sequence, parse, render

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DATA = Path(__file__).parent / "data"
GROUPS = ("clouds", "models", "code", "payment", "chat", "stores")
# A body of at least LONG characters is found if at most 5 of them in a row survive; a shorter
# one if at most 3 do. Pieces shorter than a run are not looked for on their own.
LONG, RUN, SHORT_RUN = 12, 5, 3
# A kind of personal data takes many shapes, so it gets this many times the texts of a format.
PERSONAL = 8


@dataclass(frozen=True)
class Format:
    """One documented format: what it looks like, whose it is, and where it stands."""

    id: str
    provider: str
    group: str
    docs: str
    body: str
    keys: tuple[str, ...]
    keyed: bool  # nothing but its name tells it
    texts: tuple[str, ...]  # where it stands, if only there

    @property
    def template(self) -> Sequence:
        return parse(self.body)


class Case(NamedTuple):
    """A text with a secret in it. *secret* has the random parts of it, one on each line, as they
    stand in the text (escaped, encoded)."""

    format: str
    text: str
    secret: str


class Harmless(NamedTuple):
    """A text that a scrubber must give back as it is."""

    id: str
    text: str


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


def formats() -> list[Format]:
    """All documented formats, in the order of the files."""
    return [
        Format(
            entry["id"],
            entry["provider"],
            _read(group)["group"],
            entry["docs"],
            entry["body"],
            tuple(entry.get("keys", ())),
            entry.get("keyed", False),
            tuple(entry.get("texts", ())),
        )
        for group in GROUPS
        for entry in _read(group)["format"]
    ]


def group_of() -> dict[str, str]:
    """The group of each id that `cases` gives."""
    groups = {form.id: form.group for form in formats()}
    groups |= {entry["id"]: "contexts" for entry in _read("contexts")["context"]}
    return groups | dict.fromkeys(personal.VALID, "personal")


def cases(seed: int = 0, per_format: int = 6) -> Iterator[Case]:
    """*per_format* texts for each format and context, eight times as many for personal data.

    Half of those of a format that can be told by itself stand bare, half behind a name; a format
    that cannot stands always behind its name.
    """
    for form in formats():
        yield from _format_cases(form, seed, per_format)
    for entry in _read("contexts")["context"]:
        template = parse(entry["text"])
        for number in range(per_format):
            rng = Random(f"{seed}:{entry['id']}:{number}")
            yield _case(entry["id"], template, rng)
    for kind, make in personal.VALID.items():
        for number in range(per_format * PERSONAL):
            rng = Random(f"{seed}:{kind}:{number}")
            yield Case(kind, *personal.in_text(make, rng))


def addresses(seed: int = 0, number: int = 40) -> Iterator[Case]:
    """IP addresses, which a scrubber hides only if asked to."""
    for count in range(number):
        rng = Random(f"{seed}:ip:{count}")
        kind = "ipv4" if count % 2 else "ipv6"
        yield Case(kind, *personal.in_text(personal.ADDRESSES[kind], rng))


def harmless(seed: int = 0, per_template: int = 4) -> Iterator[Harmless]:
    """Texts without a secret that look as if they had one."""
    given = set[str]()  # a template without a group has one text
    for name, text in _harmless(seed, per_template):
        if text not in given:
            given.add(text)
            yield Harmless(name, text)


def survives(text: str, secret: str) -> str | None:
    """A piece of *secret* that is in *text* and longer than may stay; None: it was found."""
    parts = secret.split("\n")
    longest = RUN if sum(map(len, parts)) >= LONG else SHORT_RUN
    for part in parts:
        for at in range(len(part) - longest):
            piece = part[at : at + longest + 1]
            if piece in text:
                return piece
    return None


def _harmless(seed: int, per_template: int) -> Iterator[tuple[str, str]]:
    for entry in _read("harmless")["harmless"]:
        for place, text in enumerate(entry["texts"]):
            template = parse(text)
            for number in range(per_template):
                rng = Random(f"{seed}:{entry['id']}:{place}:{number}")
                yield entry["id"], render(template, rng).text
    for kind, make in personal.INVALID.items():
        for number in range(per_template * 3):
            yield kind, make(Random(f"{seed}:{kind}:{number}"))


def _format_cases(form: Format, seed: int, per_format: int) -> Iterator[Case]:
    rng = Random(f"{seed}:{form.id}")
    bare, keyed = _shapes(form)
    rng.shuffle(bare)
    rng.shuffle(keyed)
    for number in range(per_format):
        rng = Random(f"{seed}:{form.id}:{number}")
        if form.texts:
            text = form.texts[number % len(form.texts)]
        else:
            shapes = keyed if form.keyed or number % 2 else bare
            shape = shapes[number // (1 if form.keyed else 2) % len(shapes)]
            key = _styled(rng.choice(form.keys or _names(form.provider)), shape.get("style"))
            text = shape["text"].replace("<key>", key)
        yield _case(form.id, parse(text.replace("<body>", form.body)), rng)


def _case(name: str, template: Sequence, rng: Random) -> Case:
    """A text in which no piece of the secret stands by chance somewhere else too."""
    while True:
        made = render(template, rng)
        secret = "\n".join(made.parts)
        if survives(_without(made), secret) is None and survives(made.text, secret):
            return Case(name, made.text, secret)


def _without(made: Rendered) -> str:
    text = made.text
    for part in made.parts:
        text = text.replace(part, "\0", 1)
    return text


def _shapes(form: Format) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The shapes that *form* fits into: as many lines and odd characters as they take."""
    shapes = _read("shapes")
    lines = "{NL}" in form.body
    words = not lines and re.search(r"[;<>#&$!@^|]|://", form.body) is None

    def fits(shape: dict[str, Any]) -> bool:
        return shape.get("block", False) if lines else words or not shape.get("words", False)

    return [s for s in shapes["bare"] if fits(s)], [s for s in shapes["keyed"] if fits(s)]


def _names(provider: str) -> tuple[str, ...]:
    stem = re.sub(r"\W+", "_", provider).strip("_").upper()
    return (f"{stem}_TOKEN", f"{stem}_API_KEY", "token", "secret")


def _styled(key: str, style: str | None) -> str:
    if style is None:
        return key
    words = re.split(r"[-_.]+", key)
    if style == "env":
        return "_".join(words).upper()
    if style == "snake":
        return "_".join(words).lower()
    if style == "flag":
        return "-".join(words).lower()
    return key if "-" in key else "X-" + "-".join(word.capitalize() for word in words)
