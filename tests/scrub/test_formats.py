"""The unseen test set: it describes what it says, gives the same again, and holds no secret."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

import pytest

from tests.scrub.formats import generator, measure, personal
from tests.scrub.formats.generator import Format, cases, formats, harmless, survives
from tests.scrub.formats.language import (
    Call,
    Chars,
    Choice,
    Literal,
    Sequence,
    luhn,
    matches,
    parse,
    pattern,
    render,
)

ALL = formats()
# What a provider publishes as the constant beginning of each of its credentials.
CONSTANTS = {
    "IQoJb3JpZ2luX2Vj",  # aws: "\n\torigin_ec"
    "ABSKQmVkcm9ja0FQSUtleS",  # aws bedrock: "BedrockAPIKey"
    "AgEIcHlwaS5vcmc",  # the index by its name
    "AgENdGVzdC5weXBpLm9yZw",  # the test index
    "b3BlbnNzaC1rZXktdjEAAAAA",  # "openssh-key-v1"
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",  # {"alg":"HS256","typ":"JWT"}
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9",  # {"alg":"EdDSA","typ":"JWT"}
    "eyJhbGciOiJSUzI1NiIsImtpZCI6Ij",  # {"alg":"RS256","kid":"
    "eyJhbGciOiJSUzI1NiIs",  # {"alg":"RS256",
    "eyJhbGciOiJIUzI1NiJ9",  # {"alg":"HS256"}
    "eyJpc3MiOiJzdXBhYmFzZSIs",  # {"iss":"supabase",
    "ATATT3xFfGF0",
    "ATCTT3xFfGN0",
}


def test_there_are_enough_formats_each_with_an_id_and_a_page_of_documentation() -> None:
    assert len(ALL) >= 170
    contexts = [entry["id"] for entry in generator._read("contexts")["context"]]
    ids = Counter([form.id for form in ALL] + contexts + list(personal.VALID))
    assert [name for name, count in ids.items() if count > 1] == []
    assert set(ids) == set(generator.group_of())
    for form in ALL:
        assert re.fullmatch(r"https://[\w.-]+/\S*|https://[\w.-]+", form.docs), form.id
        assert form.provider and form.group in generator.GROUPS


def test_a_format_that_only_its_name_tells_has_a_name() -> None:
    assert [form.id for form in ALL if form.keyed and not form.keys] == []


def test_a_file_is_one_group_and_each_group_has_many_formats() -> None:
    assert min(Counter(form.group for form in ALL).values()) >= 30


@pytest.mark.parametrize("form", ALL, ids=lambda form: str(form.id))
def test_a_body_fits_its_template_and_has_a_random_part(form: Format) -> None:
    template = form.template
    for number in range(5):
        made = render(template, Random(number))
        assert matches(template, made.text), made.text
        assert not matches(template, made.text + "?")
        assert sum(map(len, made.parts)) >= 7
        assert all(part in made.text for part in made.parts)


def test_the_same_seed_gives_the_same_and_another_one_other_texts() -> None:
    first = list(cases(3, 2))
    assert first == list(cases(3, 2))
    assert list(harmless(3)) == list(harmless(3))
    other = {case.secret for case in cases(4, 2)}
    assert not other & {case.secret for case in first if len(case.secret) > 12}


def test_more_texts_of_a_format_begin_with_the_same_ones() -> None:
    few, many = cases(5, 2), cases(5, 4)
    for _ in range(40):
        assert list(islice(few, 2)) == list(islice(many, 4))[:2]


def test_each_text_has_its_secret_and_nothing_else_of_it() -> None:
    seen = Counter[str]()
    for case in cases(6, 3):
        seen[case.format] += 1
        parts = case.secret.split("\n")
        assert all(part in case.text for part in parts), case
        assert survives(case.text, case.secret), case
        without = case.text
        for part in parts:
            without = without.replace(part, "")
        assert survives(without, case.secret) is None, case
    assert set(seen) == set(generator.group_of())
    assert {count for name, count in seen.items() if name not in personal.VALID} == {3}
    assert {seen[name] for name in personal.VALID} == {3 * generator.PERSONAL}


def test_a_format_that_only_its_name_tells_stands_behind_it() -> None:
    keyed = {form.id: form for form in ALL if form.keyed and not form.texts}
    for case in cases(7, 6):
        if case.format in keyed:
            before = re.sub(r"[-_.]", "", case.text.split(case.secret.split("\n")[0])[0]).lower()
            names = [re.sub(r"[-_.]", "", key).lower() for key in keyed[case.format].keys]
            assert any(name in before for name in names), case


def test_half_of_the_texts_of_the_other_formats_do_not_name_it() -> None:
    names = re.compile(r"(?i)[\w-]*(token|key|secret|password)[\w-]*['\"\\]*\s*[=:]")
    plain = {form.id for form in ALL if not form.keyed and not form.texts}
    texts = [case for case in cases(8, 4) if case.format in plain]
    bare = [case for case in texts if names.search(case.text) is None]
    assert len(bare) >= 0.4 * len(texts)


def _literals(sequence: Sequence) -> Iterator[str]:
    for node in sequence.nodes:
        if isinstance(node, Literal):
            yield node.text
        elif isinstance(node, Choice):
            for option in node.options:
                yield from _literals(option)
        elif isinstance(node, Call):
            yield from _literals(node.inner)


def _templates() -> Iterator[str]:
    def strings(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from strings(item)
        elif isinstance(value, dict):
            for name in ("body", "text", "texts", "format", "bare", "keyed", "context"):
                yield from strings(value.get(name))

    for name in (*generator.GROUPS, "shapes", "contexts"):
        yield from strings(generator._read(name))


def test_no_literal_of_a_template_is_as_random_as_a_secret() -> None:
    found = {
        word
        for template in _templates()
        for literal in _literals(parse(template))
        for word in re.findall(r"[A-Za-z0-9/]{12,}", literal)
        if re.search("[A-Z]", word) and re.search("[a-z]", word) and re.search("[0-9]", word)
    }
    assert found == CONSTANTS, found ^ CONSTANTS


def test_no_file_holds_what_a_format_of_its_own_would_match() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in generator.DATA.iterdir())
    for form in ALL:
        nodes = form.template.nodes
        told = not form.keyed and isinstance(nodes[0], Literal | Choice)
        if told and all(not isinstance(node, Call) for node in nodes):
            assert re.search(pattern(form.template), text) is None, form.id


def test_cards_pass_luhn_and_accounts_mod_97_and_the_invalid_ones_do_not() -> None:
    for number in range(300):
        rng = Random(number)
        assert luhn(re.sub(r"\D", "", personal.card(rng)[0]))
        account = personal.iban(rng)[0].replace(" ", "")
        assert account[:2] in personal.IBANS and personal.mod97(account) == 1
        assert not luhn(re.sub(r"\D", "", personal.bad_card(rng)))
        false = re.fullmatch(r"article (.+) is out of stock", personal.bad_iban(rng))
        assert false is not None and personal.mod97(false[1].replace(" ", "")) != 1


def test_luhn_and_mod_97_know_the_published_examples() -> None:
    assert luhn("4111" + "1" * 12) and not luhn("4111" + "1" * 11 + "2")
    assert personal.mod97("GB82WEST12345698765432") == 1  # ISO 13616's own
    assert personal.mod97("GB82WEST12345698765431") != 1


def test_social_security_numbers_are_of_areas_given_out_or_not() -> None:
    for number in range(300):
        area, group, serial = personal.ssn(Random(number))[1].split("-")
        assert area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        false = re.search(r"\d{3}-\d\d-\d{4}", personal.bad_ssn(Random(number)))
        assert false is not None
        assert false[0][:3] in ("000", "666") or false[0] >= "900"


def test_addresses_are_apart_from_the_rest() -> None:
    made = list(generator.addresses(1, 20))
    assert {case.format for case in made} == {"ipv4", "ipv6"}
    assert not {"ipv4", "ipv6"} & set(generator.group_of())
    assert all(case.secret in case.text for case in made)


def test_there_are_enough_harmless_texts_and_none_twice() -> None:
    texts = list(harmless(9))
    assert len(texts) >= 400
    assert len({text for _, text in texts}) == len(texts)
    assert set(personal.INVALID) < {name for name, _ in texts}


@pytest.mark.parametrize(
    ("text", "secret", "left"),
    [
        ("ab12cd34ef56", "ab12cd34ef56", "ab12cd"),
        ("... d34ef5", "ab12cd34ef56", "d34ef5"),
        ("... 34ef5", "ab12cd34ef56", None),
        ("ab12", "ab12cd", "ab12"),
        ("ab1…", "ab12cd", None),
        ("only line two", "abcdefghijkl\nline two", "line t"),
    ],
)
def test_what_may_stay_of_a_secret(text: str, secret: str, left: str | None) -> None:
    assert survives(text, secret) == left


def test_the_measure_tells_a_scrubber_that_does_nothing_from_one_that_eats_all() -> None:
    idle = measure.measure(lambda text: text, seed=1, per_format=1)
    assert (idle.found_percent, idle.false_percent) == (0, 0)
    assert len(idle.misses) == idle.total.total() >= len(generator.group_of())
    eater = measure.measure(lambda text: "", seed=1, per_format=1)
    assert (eater.found_percent, eater.false_percent) == (100, 100)
    assert {eater.of_group(group) for group in eater.total} == {100}


def test_the_measure_counts_by_group_and_names_what_stayed() -> None:
    def only_words(text: str) -> str:
        return re.sub(r"ghp_\w+", "[github]", text)

    report = measure.measure(only_words, seed=1, per_format=2)
    assert report.found == {"code": 2}
    assert report.of_group("code") == 100 * 2 / report.total["code"]
    assert report.of_group("chat") == 0
    assert all(left in out for _, out, left in report.misses)


def test_the_measure_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    measure.main(["--seed", "2", "--per-format", "1", "--misses", "--function", "builtins:str"])
    out = capsys.readouterr().out
    assert re.search(r"^found +0\.00 % ", out, re.M) and re.search(r"^false +0\.00 % ", out, re.M)
    assert "[aws-access-key-id]" in out


@pytest.mark.parametrize(
    "template", ["{[a-z]4", "{json:x", "{one}", "{a|b", "{[a-z]x}", "{[]3}", "{pct:{[0-9]2}"]
)
def test_a_template_that_cannot_be_read_says_where(template: str) -> None:
    with pytest.raises(ValueError, match="at|from"):
        parse(template)


def test_the_language_as_it_is_described() -> None:
    def one(template: str, seed: int = 0) -> tuple[str, tuple[str, ...]]:
        made = render(parse(template), Random(seed))
        return made.text, made.parts

    assert one(r"\{a\|b\} {x|x}") == ("{a|b} x", ())
    assert one("u{[a]3?}:{[b]4}@h") == ("uaaa:bbbb@h", ("bbbb",))
    assert one("{[a]4}-{[b]4}.{[c]2?}.{[d]4}") == ("aaaa-bbbb.cc.dddd", ("aaaa-bbbb", "dddd"))
    assert one("{[a]4}{NL}{[b]4}") == ("aaaa\nbbbb", ("aaaa", "bbbb"))
    assert one('{json:{[a]2}"{[b]2}{NL}}') == ('aa\\"bb\\n', ('aa\\"bb',))
    assert one("{pct:{[a]2}@{[b]2}}") == ("aa%40bb", ("aa%40bb",))
    assert one("x{b64:{[u]1?}:{[p]2}}") == ("xdTpwcA==", ("dTpwcA==",))
    assert one("{b64url?:{[p]2}}") == ("cHA", ())
    assert not luhn(one("{badluhn:411111111111111{[1]1}}")[0])
    assert {len(one("{[a-z]2-3}", seed)[0]) for seed in range(20)} == {2, 3}
    assert parse(r"{[a-c\]x-]1}").nodes == (Chars("abc]x-", 1, 1, False),)
