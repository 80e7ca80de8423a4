"""The tables ``[alerts]``, ``[alerts.sinks.NAME]`` and ``[[alerts.rules]]`` as frozen objects.

Nothing here needs Apprise. A mistake is a :class:`surefoot.errors.ConfigError` that names the place,
and the nearest right word.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from ...journal.alert_sending import Rate
from ...model import BUILTIN_KINDS, CATEGORIES, STAGES
from .quiet import Quiet, parse_quiet
from .templates import check_template

__all__ = ["DEFAULT_ON", "EVENTS", "SEVERITIES", "AlertOptions", "RuleOptions", "SinkOptions"]
__all__ += ["UrlMissing", "alert_options", "wants_alerts"]

EVENTS: Mapping[str, str] = {
    "halted": "a run was ended by a failure",
    "failure": "an attempt failed, whatever is done about it",
    "dead_letters": "items were set aside",
    "circuit_open": "a resource's circuit opened",
    "opened": "an incident began: a failure of a new fingerprint",
    "regressed": "an incident came back after it was over",
    "stale": "a run goes on nowhere: its process died",
    "recovered": "what was told of is over",
}
DEFAULT_ON = ("halted", "dead_letters", "circuit_open", "regressed", "stale", "recovered")
SEVERITIES = ("info", "warning", "error", "critical")
UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")


class UrlMissing(Exception):  # noqa: N818  told as what is wrong with a sink, never raised at a user
    """A sink's URL cannot be known here: the variable it stands in is not set."""


@dataclass(frozen=True)
class SinkOptions:
    """Where messages go. ``timeout`` is seconds; ``url`` may hold ``${VARIABLE}``, and is a secret.

    It is read when something is sent, so that a missing variable is this sink's trouble alone.
    """

    name: str
    url: str = field(repr=False)
    rate: Rate | None = None
    quiet: Quiet | None = None
    timeout: float = 20.0
    max_attempts: int = 10

    def address(self, environ: Mapping[str, str] | None = None) -> str:
        """The URL, with the variables in it.

        :raises UrlMissing: one of them is not set.

        >>> SinkOptions("ops", "json://${HOST}/in").address({"HOST": "hooks.example"})
        'json://hooks.example/in'
        """
        values = os.environ if environ is None else environ

        def value(match: re.Match[str]) -> str:
            found = values.get(match[1] or match[2])
            if not found:
                raise UrlMissing(f"the environment variable {match[1] or match[2]} is not set")
            return found

        return re.sub(r"\$\{(\w+)\}|\$([A-Za-z_]\w*)", value, self.url)


@dataclass(frozen=True)
class RuleOptions:
    """Who is told of what. Empty filters let everything pass; ``digest`` is seconds."""

    name: str
    on: tuple[str, ...] = DEFAULT_ON
    kind: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    workflow: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    severity: str | None = None
    dead_letters_over: int = 0
    after: int = 1
    sinks: tuple[str, ...] = ()
    title: str | None = None
    template: str | None = None
    digest: float = 900.0


@dataclass(frozen=True)
class AlertOptions:
    """All of ``[alerts]``. ``linger`` is what a process that ends gives sending; ``max_age``: what is
    older is no news any more. Both are seconds."""

    sinks: Mapping[str, SinkOptions]
    rules: tuple[RuleOptions, ...]
    linger: float = 5.0
    max_age: float = 7 * 86_400.0

    def reaching(self, sink: str) -> list[RuleOptions]:
        return [rule for rule in self.rules if sink in rule.sinks]


def wants_alerts(table: Mapping[str, Any]) -> bool:
    """Whether there is a sink. Where there is none, nothing of alerts is loaded."""
    return bool(table.get("sinks"))


KEYS = ("digest", "linger", "max_age", "rules", "sinks")
SINK_KEYS = (
    *("url", "env", "rate", "quiet", "timezone", "quiet_except", "timeout", "max_attempts"),
)
RULE_KEYS = (
    *("name", "on", "kind", "category", "stage", "workflow", "step", "severity"),
    *("dead_letters_over", "after", "sinks", "title", "template", "digest"),
)


def alert_options(
    table: Mapping[str, Any],
    source: str | None = None,
    kinds: Callable[[], Collection[str]] | None = None,
) -> AlertOptions:
    """The table ``[alerts]``.

    :param source: where it stands, for messages.
    :param kinds: gives all kinds, also those that users register; asked for unknown ones only.
    :raises ConfigError: a key or a value is wrong.

    >>> made = alert_options({"sinks": {"ops": {"url": "json://hooks.example/in"}}})
    >>> made.rules[0].on[:2], made.rules[0].sinks
    (('halted', 'dead_letters'), ('ops',))
    """
    return _Reading(source or "the settings", kinds).options(table)


class _Reading:
    """Reads one table, and knows what place a mistake is at."""

    def __init__(self, source: str, kinds: Callable[[], Collection[str]] | None) -> None:
        self.source = source
        self.kinds = kinds

    def wrong(self, place: str, what: str) -> ConfigError:
        return ConfigError(f"{self.source}: {place} {what}")

    def options(self, table: Mapping[str, Any]) -> AlertOptions:
        self.known(table, KEYS, "[alerts]")
        tables = table.get("sinks", {})
        if not isinstance(tables, Mapping):
            raise self.wrong("[alerts] sinks", "must be tables by name: [alerts.sinks.NAME]")
        sinks = {str(name): self.sink(str(name), one) for name, one in tables.items()}
        digest = self.seconds(table, "digest", "[alerts]", 900.0)
        rules = self.rules(table.get("rules"), tuple(sinks), digest)
        return AlertOptions(
            sinks,
            rules,
            linger=self.seconds(table, "linger", "[alerts]", 5.0, least=0.0),
            max_age=self.seconds(table, "max_age", "[alerts]", 7 * 86_400.0),
        )

    # -- sinks --------------------------------------------------------------------------------

    def sink(self, name: str, table: Any) -> SinkOptions:
        place = f"[alerts.sinks.{name}]"
        if not isinstance(table, Mapping):
            raise self.wrong(place, 'must be a table, such as: url = "${SLACK_URL}"')
        if not NAME.fullmatch(name):
            raise self.wrong(place, "must have a name of letters, digits, '_', '-' and '.'")
        self.known(table, SINK_KEYS, place)
        if ("url" in table) == ("env" in table):
            raise self.wrong(place, 'needs one of url = "…" and env = "VARIABLE", which holds it')
        if "env" in table:
            env = table["env"]
            if not isinstance(env, str) or not re.fullmatch(r"[A-Za-z_]\w*", env):
                raise self.wrong(place, "env must be the name of an environment variable")
            url = f"${{{env}}}"
        else:
            url = table["url"]
            # the value is a secret, so that a message does not repeat it
            if not isinstance(url, str) or not re.match(r"\$|[A-Za-z][\w.+-]*://", url):
                raise self.wrong(
                    place, "url must be an Apprise URL, such as mailto://…, or ${VARIABLE}"
                )
        return SinkOptions(
            name,
            url,
            rate=self.rate(table, place),
            quiet=self.quiet(table, place),
            timeout=self.seconds(table, "timeout", place, 20.0),
            max_attempts=self.number(table, "max_attempts", place, 10),
        )

    def rate(self, table: Mapping[str, Any], place: str) -> Rate | None:
        text = table.get("rate")
        if text is None:
            return None
        match = (
            re.fullmatch(r"\s*(\d{1,6})\s*/\s*([smhd])\s*", text) if isinstance(text, str) else None
        )
        if match is None or int(match[1]) == 0:
            raise self.wrong(
                place, f"rate = {text!r} must be a number a time: 10/h (or /s, /m, /d)"
            )
        most = float(match[1])
        return Rate(most, most / UNITS[match[2]], f"{match[1]}/{match[2]}")

    def quiet(self, table: Mapping[str, Any], place: str) -> Quiet | None:
        for key in ("timezone", "quiet_except"):
            if key in table and "quiet" not in table:
                raise self.wrong(place, f'{key} goes with quiet = "22:00-07:00"')
        if "quiet" not in table:
            return None
        but = self.words(table, "quiet_except", place, SEVERITIES, ("critical",))
        try:
            return parse_quiet(table["quiet"], table.get("timezone"), but)
        except ValueError as exc:
            raise self.wrong(place, str(exc)) from exc

    # -- rules --------------------------------------------------------------------------------

    def rules(self, tables: Any, sinks: tuple[str, ...], digest: float) -> tuple[RuleOptions, ...]:
        if tables is None:
            return (RuleOptions("default", sinks=sinks, digest=digest),)
        if not isinstance(tables, list) or not all(isinstance(one, Mapping) for one in tables):
            raise self.wrong("[alerts] rules", "must be tables: [[alerts.rules]]")
        found = [self.rule(number, one, sinks, digest) for number, one in enumerate(tables, 1)]
        names = [one.name for one in found]
        for name in names:
            if names.count(name) > 1:
                raise self.wrong("[[alerts.rules]]", f"two rules have the name {name!r}")
        return tuple(found)

    def rule(
        self, number: int, table: Mapping[str, Any], sinks: tuple[str, ...], digest: float
    ) -> RuleOptions:
        name = table.get("name", f"rule-{number}")
        place = f"[[alerts.rules]] {name!r}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise self.wrong(f"[[alerts.rules]] number {number}", f"name = {name!r} is no name")
        self.known(table, RULE_KEYS, place)
        kinds = self.words(table, "kind", place, None)
        self.check_kinds(kinds, place)
        severity = self.words(table, "severity", place, SEVERITIES)
        if len(severity) > 1:
            raise self.wrong(place, "severity is the least one: give one word")
        on = self.words(table, "on", place, tuple(EVENTS), DEFAULT_ON)
        if "dead_letters_over" in table and "dead_letters" not in on:
            raise self.wrong(place, 'dead_letters_over goes with on = ["dead_letters"]')
        return RuleOptions(
            name,
            on,
            kind=kinds,
            category=self.words(table, "category", place, CATEGORIES),
            stage=self.words(table, "stage", place, STAGES),
            workflow=self.words(table, "workflow", place, None),
            step=self.words(table, "step", place, None),
            severity=severity[0] if severity else None,
            dead_letters_over=self.number(table, "dead_letters_over", place, 0, least=0),
            after=self.number(table, "after", place, 1),
            sinks=self.words(table, "sinks", place, sinks, sinks),
            title=self.template(table, "title", place),
            template=self.template(table, "template", place),
            digest=self.seconds(table, "digest", place, digest),
        )

    def check_kinds(self, kinds: Sequence[str], place: str) -> None:
        unknown = [kind for kind in kinds if kind not in BUILTIN_KINDS]
        known = list(self.kinds()) if unknown and self.kinds is not None else list(BUILTIN_KINDS)
        for kind in unknown:
            if kind not in known:
                hint = _nearest(kind, known) or "; see: surefoot catalog list"
                raise self.wrong(place, f"kind = {kind!r} names no kind{hint}")

    def template(self, table: Mapping[str, Any], key: str, place: str) -> str | None:
        text = table.get(key)
        if text is None:
            return None
        if not isinstance(text, str) or not text.strip():
            raise self.wrong(place, f"{key} must be a text with fields such as $step")
        try:
            check_template(text)
        except ValueError as exc:
            raise self.wrong(place, f"{key} {exc}") from exc
        return text

    # -- values -------------------------------------------------------------------------------

    def known(self, table: Mapping[str, Any], keys: Sequence[str], place: str) -> None:
        for key in table:
            if key not in keys:
                hint = _nearest(str(key), keys) or f"; known are {', '.join(sorted(keys))}"
                raise self.wrong(place, f"has no key {key!r}{hint}")

    def words(
        self,
        table: Mapping[str, Any],
        key: str,
        place: str,
        known: Sequence[str] | None,
        default: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """A text or a list of texts, each among ``known``."""
        value = table.get(key)
        if value is None:
            return default
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not found or not all(isinstance(w, str) for w in found):
            raise self.wrong(place, f"{key} = {value!r} must be a word, or a list of words")
        for word in found:
            if known is not None and word not in known:
                told = ", ".join(known) or "none"
                hint = _nearest(word, known) or f"; known are {told}"
                raise self.wrong(place, f"{key} = {word!r} is not known{hint}")
        return tuple(dict.fromkeys(found))

    def seconds(
        self, table: Mapping[str, Any], key: str, place: str, default: float, least: float = 1e-9
    ) -> float:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(place, f"{key} = {value!r} must be a number of seconds")
        if not least <= value < 1e9:
            above = "from 0 on" if least == 0.0 else "above 0"
            raise self.wrong(place, f"{key} = {value!r} must be a number of seconds {above}")
        return float(value)

    def number(
        self, table: Mapping[str, Any], key: str, place: str, default: int, least: int = 1
    ) -> int:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(place, f"{key} = {value!r} must be a whole number of at least {least}")
        return value


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
