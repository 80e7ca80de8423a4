"""The scrubber: patterns, names, known values and the key, put together once; it does not change.

In this order: values that are known; the user's own patterns; the formats of providers; what stands
behind a secret's name or at a secret's place; personal data. One look through a text tells which of
some 600 small triggers are in it, and only the rules that belong to those are tried. Where two rules find
pieces that overlap, both are hidden as one, and the earlier rule names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from .commands import command_rules
from .encoded import ENCODED, TRIGGERS, encoded
from .engine import Pattern, Triggers, bounded, compiled
from .formats import FORMATS, PRIVATE_KEY_TRIGGERS, private_keys
from .hits import CLOSE, FULL, MANY, Hit, Rule
from .keyed import is_own_name, keyed_rule
from .known import KnownValues
from .marks import DROPPED, Hidden, is_placeholder, mark, placeholder
from .names import is_secret_name, own_names, personal_name
from .personal import BY_DEFAULT, personal_rules
from .places import place_rules
from .sql import sql_rules
from .values import Walk

__all__ = ["LONGEST", "Finding", "Found", "Scrubber", "moved"]

LONGEST = 100_000
"""Characters of a text that are kept."""

_LONGEST_WITHOUT_RE2 = 20_000
_OVERLAP = 500  # read beyond the end, so that a secret is not cut to something unrecognisable


class Finding(NamedTuple):
    """A secret in a text, without the secret: for people who want to know what was hidden, and why.

    ``start`` and ``end`` are places in the text (characters), ``line`` and ``column`` count from 1.
    ``shown`` is what stands there now; ``name`` the name that it stood under, if any.
    """

    rule: str
    kind: str
    why: str
    line: int
    column: int
    start: int
    end: int
    name: str
    shown: str


class Found(NamedTuple):
    """A piece to hide, of which overlapping hits were made one. Places are places of bytes."""

    start: int
    end: int
    kind: str
    rule: str
    name: str
    value: str


@dataclass(frozen=True)
class Scrubber:
    """Hides secrets in texts and values.

    :param patterns: (name, pattern) pairs of one's own; a group, if there is one, is the secret.
    :param names: more names of secrets.
    :param allow: patterns of what stays: a finding that one of them matches as a whole.
    :param personal: kinds of personal data: email, phone, card, iban, ssn, ip.
    :param known: values that are secret wherever they stand, of at least six characters.
    :param environment: whether values of the environment belong to the known ones.
    :param key: with it, placeholders carry six digits by which equal secrets are told to be equal.

    >>> scrubber = Scrubber(patterns=(("ticket", r"T-[0-9]{4}"),), names=("kennung",), allow=("ok-.*",))
    >>> scrubber.text("T-1234 kennung=abc token=ok-this token=not-this")
    '[ticket] kennung=[secret] token=ok-this token=[secret]'
    """

    patterns: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    personal: tuple[str, ...] = BY_DEFAULT
    known: tuple[str, ...] = field(default=(), repr=False)
    environment: bool = True
    key: bytes | None = field(default=None, repr=False)

    # -- ways in ------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """``text`` without its secrets, and not longer than 100,000 characters. Never raises: what
        cannot be scrubbed is dropped."""
        try:
            return self._text(text)
        except Exception:  # nothing that could hold a secret leaves because of a bug in here
            return DROPPED

    def value(self, value: Any) -> Any:
        """``value`` in the same shape, without its secrets. Never raises."""
        return Walk(self).at(value, 0)

    def data(self, data: bytes) -> bytes:
        """Bytes of any length, as a file holds them, without the secrets in them.

        >>> Scrubber().data(b"\\x00\\xff password=hunter2 \\x01")
        b'\\x00\\xff password=[secret] \\x01'
        """
        return self.replaced(data, self.found(data))

    def explain(self, text: str) -> list[Finding]:
        """What :meth:`text` hides and why; never the secrets themselves. All of the text is read.

        >>> for one in Scrubber().explain("first\\npassword=hunter2"):
        ...     print(one.line, one.column, one.rule, one.kind, one.name, one.shown)
        2 10 keyed secret password [secret]
        """
        data = _encoded(text)
        return self.findings(data, self.found(data))

    def findings(
        self, data: bytes, found: list[Found], *, line: int = 1, column: int = 1
    ) -> list[Finding]:
        """What was found, for people. ``line`` and ``column`` are those that ``data`` begins at."""
        told = []
        at, chars = 0, 0
        for one in found:
            between = data[at : one.start].decode("utf-8", "replace")
            line, column = moved(between, line, column)
            hidden = data[one.start : one.end].decode("utf-8", "replace")
            start = chars + len(between)
            chars = start + len(hidden)
            why = self._compiled.why(one.rule)
            shown = self.shown(data, one)
            told.append(
                Finding(one.rule, one.kind, why, line, column, start, chars, one.name, shown)
            )
            line, column = moved(hidden, line, column)
            at = one.end
        return told

    def secret_name(self, name: str) -> bool:
        """Whether what stands under that name is a secret; the user's names are among them."""
        return is_secret_name(name) or (bool(self.names) and is_own_name(name, self._own_names))

    def personal_name(self, name: str) -> str | None:
        """Which kind of personal data stands under that name, if it is looked for."""
        kind = personal_name(name)
        return kind if kind in self.personal else None

    # -- what it does -------------------------------------------------------------------------

    def _text(self, text: str) -> str:
        length, longest = len(text), LONGEST if bounded() else _LONGEST_WITHOUT_RE2
        if length > longest + _OVERLAP:
            text = text[: longest + _OVERLAP]
        data = _encoded(text)
        found = self.found(data)
        if found or len(data) != len(text):
            text = self.replaced(data, found).decode("utf-8", "replace")
        if length > longest:
            return f"{text[:longest]}… [{length - longest:,} more characters]"
        return text

    def found(self, data: bytes) -> list[Found]:
        """What to hide in ``data``, in order."""
        hits = self._hits(data)
        if not hits:
            return []
        hits.sort()
        found = []
        group, (start, _, _, best) = [hits[0]], hits[0]
        end = best.end
        for one in hits[1:]:
            if one[0] < end:
                group.append(one)
                end = max(end, one[3].end)
            else:
                found.append(self._one(data, group, start, end))
                group, start, end = [one], one[0], one[3].end
        found.append(self._one(data, group, start, end))
        return found

    def replaced(self, data: bytes, found: list[Found]) -> bytes:
        """``data`` with placeholders for what was found."""
        pieces = []
        at = 0
        marks: dict[tuple[str, str], bytes] = {}
        for one in found:
            shown = marks.get((one.kind, one.value))
            if shown is None or isinstance(self.key, Hidden):
                shown = marks[one.kind, one.value] = self.shown(data, one).encode()
            pieces += [data[at : one.start], shown]
            at = one.end
        pieces.append(data[at:])
        return b"".join(pieces)

    def shown(self, data: bytes, one: Found) -> str:
        """The placeholder of what was found."""
        if isinstance(self.key, Hidden):
            return placeholder(
                one.kind, data[one.start : one.end].decode("utf-8", "replace"), self.key
            )
        return f"[{one.kind}]" if self.key is None else f"[{one.kind} {mark(one.value, self.key)}]"

    def _hits(self, data: bytes) -> list[tuple[int, int, int, Hit]]:
        """What the rules find: its start, minus its end, the number of the rule, the hit."""
        hits = []
        if self.known:
            for hit in self._known.find(data):
                hits.append((hit.start, -hit.end, 0, hit))
        allow = self._allow
        for number, hit in self._compiled.find(data):
            if not (allow and self._allowed(data[hit.start : hit.end])):
                hits.append((hit.start, -hit.end, number, hit))
        return hits

    def _allowed(self, secret: bytes) -> bool:
        return any(pattern.fullmatch(secret) for pattern in self._allow)

    def _one(
        self, data: bytes, group: list[tuple[int, int, int, Hit]], start: int, end: int
    ) -> Found:
        """Of hits that overlap, one. The earliest rule names it that found at least half."""
        best = group[0][3]
        name = best.name
        if len(group) > 1:
            half = (end - start) / 2
            large = [one for one in group if one[3].end - one[3].start >= half]
            best = min(large or group, key=lambda one: one[2])[3]
            name = best.name or next((one[3].name for one in group if one[3].name), "")
        while end < len(data) and data[end] & 0xC0 == 0x80:  # whole characters
            end += 1
        piece = data[start:end]
        value = self._known.value_of(piece) if self.known else None
        if value is None:
            value = piece.decode("utf-8", "replace")
            if "%" in value:
                value = unquote(value)
        return Found(start, end, best.kind, best.rule, name, value)

    # -- compiled once ------------------------------------------------------------------------

    @cached_property
    def _compiled(self) -> _Rules:
        return _rules(self.patterns, self.names, self.personal)

    @cached_property
    def _known(self) -> KnownValues:
        return KnownValues(self.known)

    @cached_property
    def _own_names(self) -> frozenset[tuple[str, ...]]:
        return own_names(self.names)

    @cached_property
    def _allow(self) -> tuple[Pattern, ...]:
        return tuple(compiled(pattern, unicode=True) for pattern in self.allow)


def moved(text: str, line: int, column: int) -> tuple[int, int]:
    """Where one is behind ``text``.

    >>> moved("a\\nbc", 1, 5), moved("abc", 1, 5)
    ((2, 3), (1, 8))
    """
    lines = text.count("\n")
    return line + lines, len(text) - text.rfind("\n") if lines else column + len(text)


def _encoded(text: str) -> bytes:
    # UTF-8 has no lone surrogates (they stand for bytes of a file's name)
    return text.encode("utf-8", "backslashreplace")


class _Rules:
    """The rules, and the triggers that tell which of them to try."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        triggers: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            for trigger in rule.triggers:
                triggers.setdefault(trigger, []).append(number)
        self._always = [number for number, rule in enumerate(rules) if not rule.triggers]
        self._of = list(triggers.values())
        self._triggers = Triggers(triggers)

    def find(self, data: bytes, within: bool = True) -> Iterator[tuple[int, Hit]]:
        """What the rules find, each with the number of its rule.

        :param within: look at what is encoded in it, too.
        """
        found = self._triggers.of(data)
        numbers = {*self._always, *(number for trigger in found for number in self._of[trigger])}
        for number in sorted(numbers):
            if self.rules[number].name == ENCODED:
                if within:
                    yield from ((number, hit) for hit in encoded(data, self._within))
                continue
            count = 0
            for hit in self.rules[number].find(data):
                yield number + 1, hit
                count += 1
                if count > MANY and count * CLOSE > hit.end:
                    yield 0, Hit(hit.end, len(data), FULL, hit.rule)
                    break

    def _within(self, data: bytes) -> Iterator[Hit]:
        return (hit for _, hit in self.find(data, within=False))

    def why(self, name: str) -> str:
        if name == "known value":
            return "it is known: registered, or a value of the environment"
        return next((rule.why for rule in self.rules if rule.name == name), "")


@lru_cache(maxsize=16)
def _rules(
    patterns: tuple[tuple[str, str], ...], names: tuple[str, ...], personal: tuple[str, ...]
) -> _Rules:
    rules = [_own(name, pattern) for name, pattern in patterns]
    why = "it is a private key, between its BEGIN and END lines"
    rules.append(Rule("private key", PRIVATE_KEY_TRIGGERS, private_keys, why))
    for one in FORMATS:
        why = f"it has the form of a {one.name}: {one.source}"
        rules.append(Rule(one.name, one.triggers, one.find, why))
    rules += [keyed_rule(names, personal), *place_rules(), *command_rules(), *sql_rules()]
    rules += personal_rules(personal)
    rules.append(Rule(ENCODED, TRIGGERS, lambda _: (), ""))
    return _Rules(rules)


def _own(name: str, pattern: str) -> Rule:
    """A pattern of the user's: always tried."""

    def find(data: bytes) -> Iterator[Hit]:
        made = compiled(pattern, unicode=True)
        group = 1 if made.groups else 0
        for match in made.finditer(data):
            start, end = match.span(group)
            piece = data[start:end].decode("utf-8", "replace")
            if start < end and not is_placeholder(piece):
                yield Hit(start, end, name, f"own: {name}")

    return Rule(f"own: {name}", (), find, "a pattern of yours")
