"""The settings of alerts, and what is said of each mistake in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from surefoot import Runtime, workflow
from surefoot.config import Config
from surefoot.errors import ConfigError
from surefoot.observe.alerts.options import DEFAULT_ON, UrlMissing, alert_options
from surefoot.observe.alerts.templates import FIELDS, fill

SINK = {"url": "json://hooks.example/in"}


def parse(rules: list[dict[str, Any]] | None = None, sink: Any = None, **more: Any) -> Any:
    table: dict[str, Any] = {"sinks": {"team": sink if sink is not None else dict(SINK)}, **more}
    if rules is not None:
        table["rules"] = rules
    return alert_options(table, "/srv/surefoot.toml")


def test_without_rules_every_sink_is_told_of_what_a_person_must_know() -> None:
    [rule] = parse().rules
    assert (rule.name, rule.on, rule.sinks, rule.digest) == ("default", DEFAULT_ON, ("team",), 900)


def test_a_rule_takes_words_and_lists_and_knows_its_defaults() -> None:
    options = parse(
        [{"kind": "rate_limited", "step": ["a*", "b"], "on": "failure", "digest": 60}, {}],
        digest=120,
        linger=0,
    )
    first, second = options.rules
    assert (first.kind, first.step, first.on, first.digest) == (
        ("rate_limited",),
        ("a*", "b"),
        ("failure",),
        60.0,
    )
    assert (second.name, second.on, second.digest) == ("rule-2", DEFAULT_ON, 120.0)
    assert options.linger == 0


def test_a_url_comes_from_variables_when_it_is_needed() -> None:
    options = parse(sink={"env": "TEAM_URL"})
    sink = options.sinks["team"]
    assert sink.address({"TEAM_URL": "slack://a/b/c"}) == "slack://a/b/c"
    with pytest.raises(UrlMissing, match="the environment variable TEAM_URL is not set"):
        sink.address({})
    both = parse(sink={"url": "mailto://$USER:${PASSWORD}@mail.example"}).sinks["team"]
    assert both.address({"USER": "me", "PASSWORD": "pw"}) == "mailto://me:pw@mail.example"


def test_a_url_is_not_in_what_is_printed_of_the_options() -> None:
    assert "hooks.example" not in repr(parse())


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"sinkz": {}}, "[alerts] has no key 'sinkz'; did you mean 'sinks'?"),
    ({"sinks": []}, "[alerts] sinks must be tables by name: [alerts.sinks.NAME]"),
    ({"sinks": {"team": "x"}}, "[alerts.sinks.team] must be a table, such as"),
    ({"sinks": {"a team": SINK}}, "[alerts.sinks.a team] must have a name of letters"),
    ({"sinks": {"team": {}}}, "[alerts.sinks.team] needs one of url"),
    ({"sinks": {"team": {**SINK, "env": "X"}}}, "[alerts.sinks.team] needs one of url"),
    ({"sinks": {"team": {"env": "a b"}}}, "env must be the name of an environment variable"),
    ({"sinks": {"team": {"url": "hunter2"}}}, "url must be an Apprise URL, such as mailto://"),
    ({"sinks": {"team": {"url": 3}}}, "url must be an Apprise URL"),
    ({"sinks": {"team": {**SINK, "tiemout": 3}}}, "has no key 'tiemout'; did you mean 'timeout'?"),
    (
        {"sinks": {"team": {**SINK, "rate": "often"}}},
        "rate = 'often' must be a number a time: 10/h",
    ),
    ({"sinks": {"team": {**SINK, "rate": "0/h"}}}, "rate = '0/h' must be a number a time: 10/h"),
    ({"sinks": {"team": {**SINK, "rate": 10}}}, "rate = 10 must be a number a time: 10/h"),
    (
        {"sinks": {"team": {**SINK, "quiet": "night"}}},
        "quiet = 'night' must be two different times",
    ),
    ({"sinks": {"team": {**SINK, "quiet": "25:00-07:00"}}}, "must be two different times of day"),
    ({"sinks": {"team": {**SINK, "quiet": "07:00-07:00"}}}, "must be two different times of day"),
    (
        {"sinks": {"team": {**SINK, "quiet": "22:00-07:00", "timezone": "Europe/Berlni"}}},
        "timezone = 'Europe/Berlni' must be a name such as Europe/Berlin",
    ),
    (
        {"sinks": {"team": {**SINK, "timezone": "Europe/Berlin"}}},
        'timezone goes with quiet = "22:00-07:00"',
    ),
    (
        {"sinks": {"team": {**SINK, "quiet": "22:00-07:00", "quiet_except": ["crtical"]}}},
        "quiet_except = 'crtical' is not known; did you mean 'critical'?",
    ),
    (
        {"sinks": {"team": {**SINK, "timeout": 0}}},
        "timeout = 0 must be a number of seconds above 0",
    ),
    ({"sinks": {"team": {**SINK, "timeout": "1"}}}, "timeout = '1' must be a number of seconds"),
    ({"sinks": {"team": {**SINK, "max_attempts": 0}}}, "max_attempts = 0 must be a whole number"),
    ({"linger": -1}, "[alerts] linger = -1 must be a number of seconds from 0 on"),
    ({"digest": True}, "[alerts] digest = True must be a number of seconds"),
    ({"rules": {}}, "[alerts] rules must be tables: [[alerts.rules]]"),
    ({"rules": [{"on": ["halt"]}]}, "[[alerts.rules]] 'rule-1' on = 'halt' is not known; did you"),
    ({"rules": [{"on": []}]}, "on = [] must be a word, or a list of words"),
    ({"rules": [{"name": "a b"}]}, "[[alerts.rules]] number 1 name = 'a b' is no name"),
    ({"rules": [{"name": "a"}, {"name": "a"}]}, "two rules have the name 'a'"),
    ({"rules": [{"kind": "rate_limit"}]}, "kind = 'rate_limit' names no kind; did you mean"),
    ({"rules": [{"kind": "zzz"}]}, "kind = 'zzz' names no kind; see: surefoot catalog list"),
    ({"rules": [{"category": "zzz"}]}, "category = 'zzz' is not known; known are data, model"),
    ({"rules": [{"stage": "inferense"}]}, "did you mean 'inference'?"),
    ({"rules": [{"severity": "fatal"}]}, "severity = 'fatal' is not known"),
    ({"rules": [{"severity": ["error", "info"]}]}, "severity is the least one: give one word"),
    ({"rules": [{"dead_letters_over": -1}]}, "must be a whole number of at least 0"),
    (
        {"rules": [{"on": ["halted"], "dead_letters_over": 3}]},
        'dead_letters_over goes with on = ["dead_letters"]',
    ),
    ({"rules": [{"after": 0}]}, "after = 0 must be a whole number of at least 1"),
    ({"rules": [{"sinks": ["taem"]}]}, "sinks = 'taem' is not known; did you mean 'team'?"),
    ({"rules": [{"template": "$knd"}]}, "template has an unknown field $knd; did you mean $kind?"),
    ({"rules": [{"title": "5$"}]}, "title has a lone $; write $$ for the sign"),
    ({"rules": [{"title": " "}]}, "title must be a text with fields such as $step"),
    ({"rules": [{"zzz": "x"}]}, "has no key 'zzz'; known are after, category"),
]


@pytest.mark.parametrize(("table", "message"), MISTAKES, ids=[text for _, text in MISTAKES])
def test_a_mistake_names_its_place_and_what_is_right(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        alert_options({"sinks": {"team": SINK}, **table}, "/srv/surefoot.toml")
    assert str(caught.value).startswith("/srv/surefoot.toml: ")
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_kinds_that_a_user_registers_are_known() -> None:
    table = {"sinks": {"team": SINK}, "rules": [{"kind": "shop_closed"}]}
    [rule] = alert_options(table, None, lambda: ["shop_closed"]).rules
    assert rule.kind == ("shop_closed",)


def test_a_mistake_is_told_before_anything_runs(tmp_path: Path) -> None:
    ran: list[int] = []

    @workflow(name="job")
    def job() -> None:
        ran.append(1)

    config = Config(alerts={"sinks": {"team": {"url": "json://x", "rate": "often"}}})
    with Runtime(tmp_path / "j.db", config=config), pytest.raises(ConfigError, match="often"):
        job.start()
    assert ran == []
    # also where there is no sink yet, or its table is misspelt
    misspelt = Config(alerts={"sink": {"team": {"url": "json://x"}}})
    with Runtime(tmp_path / "j.db", config=misspelt), pytest.raises(ConfigError, match="sinks"):
        job.start()


def test_a_template_may_name_every_field() -> None:
    text = " ".join(f"${name}" for name in FIELDS)
    assert fill(text, {name: name for name in FIELDS}) == " ".join(FIELDS)
