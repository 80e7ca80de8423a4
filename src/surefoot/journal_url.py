"""URLs of Postgres journals, and how they are shown. Needs no database library."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["is_postgres", "shown"]

SECRET = frozenset({"password", "sslpassword", "passfile"})


def is_postgres(location: str) -> bool:
    """Whether a journal's place is one in Postgres."""
    return location.startswith(("postgresql://", "postgres://"))


def shown(url: str) -> str:
    """A URL without its password; the name of a file as it is.

    >>> shown("postgresql://me:secret@db.example/jobs?sslmode=require")
    'postgresql://me@db.example/jobs?sslmode=require'
    """
    if not is_postgres(url):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    asked = [one for one in parse_qsl(parts.query) if one[0] not in SECRET]
    place = f"{user.partition(':')[0]}{at}{host}"
    query = f"?{urlencode(asked)}" if asked else ""
    # not urlunsplit: of a URL without a host it would leave the slashes out
    return f"{parts.scheme}://{place}{parts.path}{query}"
