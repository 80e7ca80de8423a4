"""Goes over what is new in the journal, and decides who is told of it.

Of each subject (a fingerprint, a dead run, a circuit) a sink gets a *first* message at once; what
follows is held back and counted; a *digest* says how many they were, after ``digest`` seconds, four
times as long, and so on, or at once where a run halts by what was only a retried failure before; and
*resolved* says that it is over, and how many there were in all.

What comes and goes by itself (a retried failure, a circuit) and is back within ``digest`` seconds of
its end waits for a digest, too: a run every minute that recovers is not two messages every minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...journal import alert_news as reading
from ...journal import alert_standing as standings
from ...journal.alert_news import News
from ...journal.alert_standing import Counts, Standing
from ...journal.alerts import (
    NewMessage,
    Reader,
    SubjectRecord,
    begin_alerts,
    reader,
    subjects,
    write_alerts,
)
from ...journal.leases import Owner
from ...store.base import Op, Store
from .messages import Situation, Speaker, lasted
from .options import SEVERITIES, AlertOptions, RuleOptions
from .rules import fits, fits_filters

__all__ = ["Evaluation"]

LEVELS = {"failure": 1, "opened": 1, "circuit_open": 1, "stale": 2, "dead_letters": 2}
LEVELS |= {"regressed": 2, "halted": 3}
HALTED = LEVELS["halted"]
BY_ITSELF = frozenset(("failure", "opened", "circuit_open"))
"""What may be over without anyone's doing."""
GROWS = 4
"""Each digest waits so many times as long as the one before."""


class Evaluation:
    """One pass over the journal at one moment.

    :param now: seconds since the epoch. :param owner: this process.
    """

    def __init__(
        self, store: Store, options: AlertOptions, speaker: Speaker, now: float, owner: Owner
    ) -> None:
        self._store = store
        self._options = options
        self._speaker = speaker
        self._now = now
        self._owner = owner
        self._rules = {rule.name: rule for rule in options.rules}
        self._known: dict[tuple[str, str], SubjectRecord] = {}
        self._changed: set[tuple[str, str]] = set()
        self._spoken: set[tuple[str, str]] = set()
        self._new: list[NewMessage] = []
        self._standings: dict[str, Standing | None] = {}
        self._letters: list[tuple[str, str, str, int]] | None = None
        self._top = 0

    def op(self) -> Op | None:
        """What is to be written; None if nothing is new."""
        before = reader(self._store)
        if before is None:
            return begin_alerts(self._now)
        tops = reading.tops(self._store)
        self._top = tops.failures
        after = Reader(before.version, before.since, tops.failures, tops.letters, tops.events)
        oldest = max(before.since, self._now - self._options.max_age)
        news = self._news(before, after, oldest)
        for one in subjects(self._store, [self._name(n) for n in news]):
            if one.sink in self._options.sinks:
                self._known[one.subject, one.sink] = one
        for one_news in news:
            self._hear(one_news)
        self._end()
        self._digest()
        runs = [(*n.run, n.event) for n in news if n.run is not None]
        if after == before and not (runs or self._changed or self._new):
            return None
        changed = [self._known[key] for key in sorted(self._changed)]
        return write_alerts(before, after, runs, changed, self._new, self._now)

    def next_digest(self) -> float | None:
        """When the next digest is due, as of what is known now."""
        due = [self._due(one) for one in self._known.values() if one.held and not self._silent(one)]
        return min(due, default=None)

    # -- reading ------------------------------------------------------------------------------

    def _wants(self, *events: str) -> bool:
        return any(event in rule.on for rule in self._options.rules for event in events)

    def _news(self, before: Reader, after: Reader, oldest: float) -> list[News]:
        store, found = self._store, []
        if self._wants("failure"):
            found += reading.failure_news(store, before, after.failures, oldest)
        if self._wants("dead_letters"):
            found += reading.letter_news(store, before, after.letters, oldest)
        if self._wants("opened", "regressed"):
            found += reading.incident_news(store, before, after.events, oldest)
        if self._wants("halted"):
            found += reading.halt_news(store, oldest)
        if self._wants("stale"):
            found += reading.stale_news(store, self._owner, self._now, oldest)
        if self._wants("circuit_open"):
            found += reading.circuit_news(store, oldest)
        # the worst of a subject speaks first, and for the others
        found.sort(key=lambda news: (-LEVELS[news.event], news.at))
        return [self._graded(one) for one in found]

    def _graded(self, news: News) -> News:
        """With a severity: a halt is an error at least."""
        kind = self._speaker.kind(news.kind)
        known = news.severity or (kind.severity if kind is not None else "error")
        if news.event == "halted" and SEVERITIES.index(known) < SEVERITIES.index("error"):
            known = "error"
        return replace(news, severity=known)

    def _standing(self, fingerprint: str | None) -> Standing | None:
        if fingerprint is None:
            return None
        if fingerprint not in self._standings:
            self._standings[fingerprint] = standings.standing(self._store, fingerprint)
        return self._standings[fingerprint]

    def _name(self, news: News) -> str:
        if news.event == "stale":
            return f"run:{news.run_id}"
        if news.resource is not None:
            return f"circuit:{news.resource}"
        standing = self._standing(news.fingerprint)
        return standing.fingerprint if standing is not None else str(news.fingerprint)

    def _open_letters(self) -> Sequence[tuple[str, str, str, int]]:
        if self._letters is None:
            self._letters = reading.open_letters(self._store)
        return self._letters

    # -- news ---------------------------------------------------------------------------------

    def _hear(self, news: News) -> None:
        standing = self._standing(news.fingerprint)
        if standing is not None and standing.muted(news.at):
            return

        def failures() -> int:
            return self._total(news, standing).failures

        served: set[str] = set()
        for rule in self._options.rules:
            # the first rule that fits has the word
            left = [sink for sink in rule.sinks if sink not in served]
            if left and fits(rule, news, failures, self._open_letters):
                served.update(left)
                for sink in left:
                    self._tell(sink, rule, news, standing)

    def _tell(self, sink: str, rule: RuleOptions, news: News, standing: Standing | None) -> None:
        key = self._name(news), sink
        old = self._known.get(key)
        quietly = standing is not None and standing.state == "acknowledged"
        if old is not None and old.state == "over" and self._soon_again(old, rule, news):
            self._keep(
                replace(old, state="quiet", held=old.held + news.number, mark=news.mark or old.mark)
            )
            return
        if old is None or old.state == "over":
            if quietly:
                return  # someone has it in hand, and this sink never heard of it
            since = standing.opened_at if standing is not None else news.at
            fresh = SubjectRecord(
                *(key[0], sink, rule.name, "told", LEVELS[news.event], since, self._now),
                *(self._top, 0, 0, None, news.mark),
            )
            self._say("first", fresh, rule, news, held=old.held if old is not None else 0)
            self._keep(fresh)
            return
        if news.mark is not None and news.mark == old.mark:
            return  # that opening of the circuit is known
        if key in self._spoken and news.event != "halted":
            return  # this very pass told of it, and counted it
        grown = replace(old, held=old.held + news.number, mark=news.mark or old.mark)
        if LEVELS[news.event] == HALTED > old.level and not quietly:
            self._say("digest", grown, rule, news, held=grown.held)
            grown = self._told(replace(grown, level=HALTED, rule=rule.name))
        self._keep(grown)

    def _soon_again(self, old: SubjectRecord, rule: RuleOptions, news: News) -> bool:
        ended = old.over_at if old.over_at is not None else old.told_at
        return news.event in BY_ITSELF and self._now - ended < rule.digest

    def _told(self, one: SubjectRecord) -> SubjectRecord:
        state = "over" if one.state == "over" else "told"
        return replace(
            one,
            state=state,
            told_at=self._now,
            told_pk=self._top,
            held=0,
            digests=one.digests + 1,
        )

    def _keep(self, one: SubjectRecord) -> None:
        self._known[one.subject, one.sink] = one
        self._changed.add((one.subject, one.sink))

    # -- ends and digests ---------------------------------------------------------------------

    def _end(self) -> None:
        # one question for all: thousands may be open for weeks
        over_now = standings.resolved(self._store)
        for one in list(self._known.values()):
            if one.state == "over":
                continue
            fresh = (one.subject, one.sink) in self._changed
            if ":" not in one.subject and one.subject not in over_now and not fresh:
                continue
            ended = self._ended(one)
            if ended is None:
                continue
            over = replace(one, state="over", over_at=self._now)
            if one.state == "told":
                news = self._latest(one)
                rule = self._recovery_rule(one, news)
                if rule is not None:
                    self._say("resolved", one, rule, news, held=one.held, ended=ended)
                over = replace(over, held=0)
            # what came back quietly keeps its count: the next digest tells of it
            self._keep(over)

    def _ended(self, one: SubjectRecord) -> str | None:
        """How a subject ended; None while it has not."""
        name, _, rest = one.subject.partition(":")
        if name == "circuit" and rest:
            state = reading.circuit_now(self._store, rest)
            return "its circuit is closed again" if state != "open" else None
        if name in ("run", "halt") and rest:
            run = reading.run_now(self._store, rest, self._owner, self._now)
            if run is None:
                return "the run is not in the journal any more"
            going = ("running", "rolling_back") if name == "run" else ("halted", "running")
            return f"it is {run.status}" if run.status not in going else None
        standing = self._standing(one.subject)
        if standing is None or standing.state != "resolved":
            return None
        if standing.resolved_by in (None, "recovery"):
            ended = standing.resolved_at or self._now
            return f"recovered after {lasted(max(0.0, ended - standing.opened_at))}"
        return f"resolved by {standing.resolved_by}"

    def _recovery_rule(self, one: SubjectRecord, news: News) -> RuleOptions | None:
        """The rule that asks for the end of it: the one that told of it, else any that fits."""
        own = self._rules.get(one.rule)
        if own is not None and "recovered" in own.on and one.sink in own.sinks:
            return own
        for rule in self._options.reaching(one.sink):
            if "recovered" in rule.on and fits_filters(rule, news):
                return rule
        return None

    def _silent(self, one: SubjectRecord) -> bool:
        standing = self._standing(one.subject) if ":" not in one.subject else None
        if standing is None:
            return False
        return standing.muted(self._now) or standing.state == "acknowledged"

    def _due(self, one: SubjectRecord) -> float:
        return one.told_at + self._rule_of(one).digest * float(GROWS) ** min(one.digests, 20)

    def _rule_of(self, one: SubjectRecord) -> RuleOptions:
        return self._rules.get(one.rule) or RuleOptions(one.rule)

    def _digest(self) -> None:
        for one in list(self._known.values()):
            if one.held and self._now >= self._due(one) and not self._silent(one):
                self._say("digest", one, self._rule_of(one), self._latest(one), held=one.held)
                self._keep(self._told(one))

    # -- words --------------------------------------------------------------------------------

    def _latest(self, one: SubjectRecord) -> News:
        """What is known of a subject that nothing new came of."""
        name, _, rest = one.subject.partition(":")
        if name == "circuit" and rest:
            return News("circuit_open", self._now, resource=rest, severity="warning")
        if name in ("run", "halt") and rest:
            run = reading.run_now(self._store, rest, self._owner, self._now)
            event = "stale" if name == "run" else "halted"
            workflow = run.workflow if run is not None else None
            return News(event, self._now, run_id=rest, workflow=workflow, severity="error")
        standing = self._standing(one.subject)
        names = standing.fingerprints if standing is not None else (one.subject,)
        found = reading.latest_failure(self._store, names) or reading.latest_body(
            self._store, names
        )
        return self._graded(found or News("failure", self._now, fingerprint=one.subject))

    def _total(self, news: News, standing: Standing | None) -> Counts:
        if standing is not None:
            since = standing.opened_at
            return standings.counts(self._store, standing.fingerprints, since=since, top=self._top)
        if news.fingerprint is None:
            return Counts(0, 0)
        return standings.counts(self._store, (news.fingerprint,), top=self._top)

    def _say(
        self,
        phase: str,
        one: SubjectRecord,
        rule: RuleOptions,
        news: News,
        *,
        held: int,
        ended: str | None = None,
    ) -> None:
        self._spoken.add((one.subject, one.sink))
        standing = self._standing(news.fingerprint)
        total, more = self._total(news, standing), Counts(0, 0)
        if phase == "digest" and news.fingerprint is not None:
            names = standing.fingerprints if standing is not None else (news.fingerprint,)
            more = standings.counts(
                self._store, names, after=one.told_pk, told_at=one.told_at, top=self._top
            )
        situation = Situation(
            phase=phase,
            subject=one.subject,
            news=news,
            standing=standing,
            total=total,
            more=more,
            since=standing.opened_at if standing is not None else one.since,
            now=self._now,
            told_at=one.told_at,
            held=held,
            letters=self._letters_of(news, standing),
            ended=ended,
        )
        self._new.append(self._speaker.message(one.sink, rule, situation))

    def _letters_of(self, news: News, standing: Standing | None) -> int:
        if news.fingerprint is None:
            return 0
        names = standing.fingerprints if standing is not None else (news.fingerprint,)
        return standings.letters_of(self._store, names)
