"""A Postgres journal's URL: recognised, and shown without what opens it."""

from __future__ import annotations

import pytest

from surefoot.journal_url import is_postgres, shown


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://me:secret@db.example/jobs", "postgresql://me@db.example/jobs"),
        ("postgresql://db.example:5433/jobs", "postgresql://db.example:5433/jobs"),
        (
            "postgresql://me@h/jobs?password=secret&sslmode=require&passfile=/x",
            "postgresql://me@h/jobs?sslmode=require",
        ),
        ("postgresql:///jobs?host=/run/pg", "postgresql:///jobs?host=%2Frun%2Fpg"),
    ],
)
def test_no_password_is_shown(url: str, told: str) -> None:
    assert shown(url) == told and "secret" not in shown(url)


def test_other_places_are_no_postgres() -> None:
    assert is_postgres("postgres://h/d") and is_postgres("postgresql://h/d")
    assert not is_postgres("sqlite:///j.db") and not is_postgres("j.db")


@pytest.mark.parametrize("place", ["/var/lib/jobs/j.db", "j?p=1.db", "a#b.db"])
def test_a_files_name_is_shown_as_it_is(place: str) -> None:
    assert shown(place) == place
