"""The scrubber of one's own: patterns, names, what stays, and what it says about what it found."""

from __future__ import annotations

import pytest

from surefoot.scrub import DROPPED, Hidden, Scrubber, scrubber_from
from surefoot.scrub.formats import FORMATS
from surefoot.scrub.names import personal_name
from tests.scrub.formats.generator import cases


def test_own_patterns_come_first_and_a_group_is_the_secret() -> None:
    scrubber = Scrubber(patterns=(("ticket", "T-[0-9]{4}"), ("pin", "pin ([0-9]{4})")))
    assert (
        scrubber.text("T-1234, pin 9876, password=T-1234")
        == "[ticket], pin [pin], password=[ticket]"
    )
    assert scrubber.text("[ticket] stays") == "[ticket] stays"


def test_a_pattern_of_ones_own_may_match_placeholders_and_nothing_is_hidden_twice() -> None:
    scrubber = Scrubber(patterns=(("bracket", r"\[[a-z ]+\]"), ("maybe", "q(x*)")))
    assert scrubber.text("[api key] q") == "[api key] q"


def test_own_names_are_found_however_they_are_written() -> None:
    scrubber = Scrubber(names=("kunden nummer", "kennung"))
    text = "KUNDEN_NUMMER=17a, kundenNummer: 18b, kundennummer=19c, x.kennung=20d, kunde=21e"
    clean = "KUNDEN_NUMMER=[secret], kundenNummer: [secret], kundennummer=[secret], "
    assert scrubber.text(text) == f"{clean}x.kennung=[secret], kunde=21e"
    assert scrubber.value({"meine_kennung": "abc", "n": 1}) == {"meine_kennung": "[secret]", "n": 1}


def test_what_is_allowed_stays() -> None:
    scrubber = Scrubber(allow=("sk-test-.*", "noreply@example.org"))
    text = "api_key=sk-test-abcdefghij0123456789, noreply@example.org"
    assert scrubber.text(text) == text
    assert scrubber.text("ada@example.org") == "[email]"


def test_known_values_are_hidden_in_every_form() -> None:
    scrubber = Scrubber(known=('hun"ter/2',), key=b"k")
    mark = scrubber.text('hun"ter/2')
    for written in (r"hun\"ter/2", "hun%22ter%2F2", r"hun\\\"ter/2"):
        assert scrubber.text(f"a {written} b") == f"a {mark} b"
    assert scrubber.text("passwort (hun%22ter%2F2)").endswith(f"({mark})")


def test_many_known_values_are_found_as_few_are() -> None:
    known = tuple(f"value-{number:04}" for number in range(40))
    scrubber = Scrubber(known=(*known, "short"))
    assert (
        scrubber.text("value-0007 value-0039-x short value-00")
        == "[secret] [secret]-x short value-00"
    )


def test_where_two_rules_overlap_the_surer_one_names_all_of_it() -> None:
    token = "ghp_" + "a1B2" * 9
    assert Scrubber().text(f"password={token}") == "password=[github token]"
    assert Scrubber().text(f'password="x {token}"') == 'password="[github token]"'
    padded = "z" * 80
    assert Scrubber().text(f'password="{padded} {token}"') == 'password="[secret]"'
    found = Scrubber().explain(f'password="{token}"')
    assert [(one.rule, one.name) for one in found] == [("github token", "password")]


def test_it_says_what_it_found_and_never_the_secret() -> None:
    text = "line one\nüpassword=hunter2 ada@example.org\npostgres://u:pw99@h"
    found = Scrubber(key=b"k", known=("pw99pw",)).explain(text)
    assert [(one.line, one.column, one.rule, one.kind, one.name) for one in found] == [
        (2, 11, "keyed", "secret", "password"),
        (2, 19, "personal: email", "email", ""),
        (3, 14, "url", "password", ""),
    ]
    assert [text[one.start : one.end] for one in found] == ["hunter2", "ada@example.org", "pw99"]
    assert "hunter2" not in repr(found) and "pw99" not in repr(found)
    assert all(one.why for one in found)
    assert found[0].shown.startswith("[secret ")
    known = Scrubber(known=("hunter2",)).explain("so hunter2")
    assert known[0].why.startswith("it is known")
    assert Scrubber().explain("nothing") == []
    assert "hunter2" not in repr(Scrubber(known=("hunter2",), key=b"hunter2"))


def test_equal_secrets_have_one_mark_however_they_are_found() -> None:
    scrubber = Scrubber(key=b"k", known=("hunter2!",))
    marks = {
        scrubber.text(text).split("[")[1].split("]")[0].split()[-1]
        for text in (
            "hunter2!",
            "password=hunter2!",
            "pg://u:hunter2%21@h",
            r"{\"pwd\": \"hunter2!\"}",
        )
    }
    assert len(marks) == 1
    other = Scrubber(key=b"k")
    assert {other.text(f"password={one}")[-7:] for one in ("p@ss1", "p@ss1")} == {
        other.text("pg://u:p%40ss1@h")[-9:-2]
    }


def test_hidden_remembers_each_form_of_a_secret() -> None:
    hidden = Hidden.beside("")
    text = "password=hunter2 and ghp_" + "a1B2" * 9 + " and password=hunter2"
    shown = Scrubber(key=hidden).text(text)
    assert shown == "password=[secret 1] and [github token 2] and password=[secret 1]"
    assert hidden.put_back(shown) == text


def test_whole_characters_are_hidden() -> None:
    assert Scrubber(patterns=(("half", "a\\C"),)).text("aü!") == "[half]!"


def test_a_text_full_of_secrets_is_hidden_as_a_whole() -> None:
    for text in ("pwd=a1 " * 5_000, "a@b.co " * 5_000):
        clean = Scrubber().text(text)
        assert clean.endswith("[text full of secrets]")
        assert len(clean) < len(text)


def test_what_cannot_be_read_is_dropped() -> None:
    assert Scrubber().text(5) == DROPPED  # type: ignore[arg-type]


def test_bytes_stay_as_they_are_around_a_secret() -> None:
    data = bytes(range(256)) + b" password=hunter2 " + bytes(range(255, -1, -1))
    assert Scrubber().data(data) == data.replace(b"hunter2", b"[secret]")


def test_every_format_says_where_it_is_from_and_has_a_trigger() -> None:
    assert len(FORMATS) >= 150
    assert len({one.name for one in FORMATS}) == len(FORMATS)
    for one in FORMATS:
        assert one.source.startswith("https://"), one.name
        assert one.triggers, one.name


def test_the_trigger_of_a_format_is_in_all_that_it_finds() -> None:
    """Else the look through a text would pass over it."""
    import re

    texts = [case.text.encode() for case in cases(5, 2)]
    found = set()
    for one in FORMATS:
        triggers = [re.compile(trigger.encode("latin-1")) for trigger in one.triggers]
        for text in texts:
            for _hit in one.find(text):
                found.add(one.name)
                assert any(trigger.search(text) for trigger in triggers), (one.name, text)
    assert len(found) > 150


def test_personal_names() -> None:
    assert personal_name("customerPhone") == "phone"
    assert personal_name("phonebook") is None


# -- settings -------------------------------------------------------------------------------------


def test_settings_make_a_scrubber() -> None:
    scrubber = scrubber_from(
        {
            "patterns": [{"name": "ticket", "pattern": "T-[0-9]{4}"}],
            "names": ["kennung"],
            "allow": ["ok-.*"],
            "personal": ["ip", "email"],
            "environment": False,
        }
    )
    assert scrubber == Scrubber(
        patterns=(("ticket", "T-[0-9]{4}"),),
        names=("kennung",),
        allow=("ok-.*",),
        personal=("email", "ip"),
        environment=False,
    )
    assert scrubber_from({}) == Scrubber()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"pattern": []}, "unknown key 'pattern'; did you mean 'patterns'?"),
        ({"zzz": []}, "unknown key 'zzz'; known are allow, environment, names, patterns, personal"),
        ({"patterns": "x"}, "patterns must be a list of tables, as [{name = …, pattern = …}]"),
        ({"patterns": [{"name": "a"}]}, "patterns[0] must be a table of name and pattern"),
        ({"patterns": [{"name": "a", "pattern": "("}]}, "patterns[0].pattern = '(' is no pattern"),
        ({"patterns": [{"name": "a", "pattern": "a(?=b)"}]}, "is no pattern that RE2 takes"),
        ({"patterns": [{"name": "a", "pattern": 7}]}, "patterns[0].pattern must be a pattern"),
        ({"patterns": [{"name": "a", "pattern": "x*"}]}, "must not match the empty text"),
        (
            {"patterns": [{"name": " ", "pattern": "x"}]},
            "patterns[0].name must be a text of 1 to 40",
        ),
        ({"patterns": [{"name": "[a]", "pattern": "x"}]}, "must have no brackets"),
        ({"names": ["ab"]}, "names[0] = 'ab' must have three letters or more"),
        ({"names": "kennung"}, "names must be a list of texts"),
        ({"allow": ["("]}, "allow[0] = '(' is no pattern that RE2 takes"),
        ({"personal": ["name"]}, "personal: 'name' is none of email, phone, card, iban, ssn, ip"),
        ({"environment": 1}, "environment must be true or false"),
    ],
)
def test_mistakes_in_settings_name_their_place(table: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError) as raised:
        scrubber_from(table)
    assert told in str(raised.value)
