"""What a message says: one line that tells what, where and the next move, and the details below it."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ...journal.alert_news import News
from ...journal.alert_standing import Counts, Standing
from ...journal.alerts import NewMessage
from .templates import fill

if TYPE_CHECKING:
    from ...model import Kind
    from .options import RuleOptions

__all__ = ["Situation", "Speaker", "as_html", "as_text", "lasted"]

LONGEST_TITLE = 300
LONGEST_VALUE = 1_000


@dataclass(frozen=True)
class Situation:
    """All that a message is made of. Times are seconds since the epoch.

    ``total`` is what failed since it began, ``more`` what failed since the latest message, at
    ``told_at``. ``letters`` is how many dead letters of it wait. ``ended`` says how it ended.
    """

    phase: str
    subject: str
    news: News
    standing: Standing | None
    total: Counts
    more: Counts
    since: float
    now: float
    told_at: float | None = None
    held: int = 0
    letters: int = 0
    ended: str | None = None


class Speaker:
    """Puts situations into words.

    :param clean: takes secrets out of a text. :param kinds: gives what the catalog says of kinds.
    :param host: this machine's name. :param journal: the journal's file.
    """

    def __init__(
        self,
        clean: Callable[[str], str],
        kinds: Callable[[], Mapping[str, Kind]],
        host: str,
        journal: str,
    ) -> None:
        self._clean = clean
        self._kinds = kinds
        self._host = host
        self._journal = journal

    def kind(self, name: str | None) -> Kind | None:
        return self._kinds().get(name) if name is not None else None

    def message(self, sink: str, rule: RuleOptions, situation: Situation) -> NewMessage:
        """One message of one sink, without secrets in it."""
        fields = self.fields(situation)
        title = fill(rule.title, fields) if rule.title else _title(situation, fields)
        body = fill(rule.template, fields) if rule.template else self._body(situation, fields)
        return NewMessage(
            sink=sink,
            subject=situation.subject,
            phase=situation.phase,
            rule=rule.name,
            severity="info" if situation.phase == "resolved" else fields["severity"],
            title=" ".join(self._clean(title).split())[:LONGEST_TITLE],
            body=self._clean(body),
        )

    def fields(self, one: Situation) -> dict[str, str]:
        """What a template may name."""
        news, standing = one.news, one.standing
        kind = self.kind(news.kind)
        fields = {
            "phase": one.phase,
            "event": news.event,
            "next": _next(one),
            "workflow": news.workflow,
            "step": news.step,
            "stage": news.stage,
            "run": news.run_id,
            "kind": news.kind,
            "category": news.category,
            "severity": news.severity or "error",
            "type": news.type,
            "message": news.message,
            "reason": news.reason,
            "resource": news.resource,
            "fingerprint": news.fingerprint,
            "incident": str(standing.pk) if standing is not None else None,
            "count": f"{one.total.failures:,}",
            "runs": f"{one.total.runs:,}",
            "held": f"{one.held:,}",
            "since": _time(one.since, one.now),
            "action": kind.action if kind is not None else None,
            "host": self._host,
            "journal": self._journal,
        }
        defused = {name: _defused(value or "") for name, value in fields.items()}
        defused["what"] = _what(one, defused)
        return defused

    def _body(self, one: Situation, fields: Mapping[str, str]) -> str:
        news = one.news
        lines = [fields["what"] + ".", ""]

        def line(label: str, *values: str | None) -> None:
            told = ", ".join(f"`{value.replace('`', chr(39))}`" for value in values if value)
            if told:
                lines.append(f"- {label}: {told}")

        line("run", fields["run"])
        line("workflow", fields["workflow"])
        line("step", fields["step"], fields["stage"])
        line("resource", fields["resource"])
        line("failed as", fields["kind"], fields["category"], fields["type"])
        line("said", fields["message"])
        if fields["reason"] and news.event != "stale":
            line("because", fields["reason"])
        if one.total.failures:
            lines.append(
                f"- so far: {_counted(one.total.failures, 'failure')} in "
                f"{_counted(one.total.runs, 'run')} since {fields['since']}"
            )
        if one.letters:
            lines.append(f"- set aside: {_counted(one.letters, 'item')}, open now")
        if fields["action"] and one.phase != "resolved":
            lines.append(f"- what to do: {fields['action']}")
        look = [f"surefoot incidents show {fields['incident']}" if fields["incident"] else None]
        look.append(f"surefoot show {shlex.quote(fields['run'])}" if fields["run"] else None)
        line("look", *look)
        line("next", fields["next"])
        line("journal", f"{self._journal} on {self._host}")
        return "\n".join(lines)


def _where(news: News, fields: Mapping[str, str]) -> str:
    """``answer of triage``, as far as it is known."""
    if news.resource is not None:
        return f"resource {fields['resource']}"
    parts = [fields["step"] or "", fields["workflow"] or ""]
    return " of ".join(part for part in parts if part) or fields["run"] or "a run"


def _what(one: Situation, fields: Mapping[str, str]) -> str:
    """What happened, in one line."""
    if one.phase == "digest":
        return _digest(one, fields)
    if one.phase == "resolved":
        return _resolved(one, fields)
    news = one.news
    as_kind = f" as {fields['kind']}" if fields["kind"] else ""
    if news.event == "halted":
        undone = "; " + fields["reason"].split(";")[0] if "rolled back" in fields["reason"] else ""
        return f"{_halted(fields)}{undone}"
    if news.event == "dead_letters":
        return f"{_counted(news.number, 'item')} of {_where(news, fields)} set aside{as_kind}"
    if news.event == "circuit_open":
        return f"the circuit of {_where(news, fields)} is open: it is not tried for a while"
    if news.event == "opened":
        return f"new: {_where(news, fields)} fails{as_kind}"
    if news.event == "regressed":
        after = f" after {lasted(news.quiet)}" if news.quiet else ""
        return f"seen again{after}: {_where(news, fields)} fails{as_kind}"
    if news.event == "stale":
        return f"run {fields['run']} of {fields['workflow']} goes on nowhere: {fields['reason']}"
    times = f", {news.number:,} times" if news.number > 1 else ""
    return f"{_where(news, fields)} fails{as_kind}{times}"


def _halted(fields: Mapping[str, str]) -> str:
    at = f" at {fields['step']}" if fields["step"] else ""
    as_kind = f" as {fields['kind']}" if fields["kind"] else ""
    return f"{fields['workflow'] or 'a run'} halted{at}{as_kind}"


def _subject(one: Situation, fields: Mapping[str, str]) -> str:
    if one.news.resource is not None:
        return f"the circuit of {fields['resource']}"
    if one.news.event == "stale":
        return f"run {fields['run']} of {fields['workflow']}"
    kind = f", {fields['kind']}" if fields["kind"] else ""
    return f"{_where(one.news, fields)}{kind}"


def _digest(one: Situation, fields: Mapping[str, str]) -> str:
    since = _time(one.told_at or one.since, one.now)
    halted = one.news.event == "halted"
    what = _halted(fields) if halted else _subject(one, fields)
    if not one.more.failures:
        return f"{what}: {one.held:,} more since {since}, held back"
    return (
        f"{what}: {one.more.failures:,} more of them since {since}, in "
        f"{_counted(one.more.runs, 'run')}; {one.held:,} held back"
    )


def _resolved(one: Situation, fields: Mapping[str, str]) -> str:
    ended = one.ended or "it is over"
    if not one.total.failures:
        return f"over: {_subject(one, fields)}; {ended}"
    return (
        f"over: {_subject(one, fields)}: {_counted(one.total.failures, 'failure')} in all, in "
        f"{_counted(one.total.runs, 'run')} since {fields['since']}; {ended}"
    )


def _title(one: Situation, fields: Mapping[str, str]) -> str:
    """What, where, and the next move."""
    if one.phase == "resolved":
        return f"{fields['what']}; nothing to do"
    return f"{fields['what']} - next: {fields['next']}"


def _next(one: Situation) -> str:
    """The command that is the next move."""
    news, standing = one.news, one.standing
    if one.phase == "resolved":
        return "nothing to do"
    run = shlex.quote(news.run_id) if news.run_id else ""
    if news.event == "halted" and run:
        return f"surefoot resume {run}"
    if news.event == "stale":
        return "surefoot recover"
    if news.event == "dead_letters" and news.fingerprint:
        return f"surefoot dead-letters list --fingerprint {news.fingerprint}"
    if standing is not None:
        return f"surefoot incidents show {standing.pk}"
    return f"surefoot show {run}" if run else "surefoot runs"


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one if number == 1 else one + 's'}"


def _time(at: float, now: float) -> str:
    """A time by this machine's clock: without the day, where it is today's."""
    told, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    return told.strftime("%H:%M" if told.date() == today.date() else "%Y-%m-%d %H:%M")


def lasted(seconds: float) -> str:
    """A long time, roughly.

    >>> lasted(9 * 86_400), lasted(5_400), lasted(42)
    ('9 days', '1 h 30 min', '42 s')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def _defused(text: str) -> str:
    """A value from anywhere: capped, on one line, and calling nobody in a chat."""
    flat = " ".join(text.split())
    if len(flat) > LONGEST_VALUE:
        flat = flat[:LONGEST_VALUE] + "…"
    # a zero-width space keeps <!channel>, <@id> and @everyone from waking people up
    flat = re.sub(r"<(?=[!@#])", "<\u200b", flat)
    return re.sub(r"@(?=(?:everyone|here|channel|all)\b)", "@\u200b", flat)


# -- formats --------------------------------------------------------------------------------------


def as_text(body: str) -> str:
    """A body for a sink that shows no Markdown.

    >>> as_text("- run: `17`")
    '- run: 17'
    """
    return body.replace("`", "")


def as_html(body: str) -> str:
    """A body for a sink that shows HTML.

    >>> as_html("- said: `1 < 2`")
    '- said: <code>1 &lt; 2</code>'
    """
    lines = (
        re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(line)) for line in body.split("\n")
    )
    return "<br/>\n".join(lines)
