"""Connections of psycopg that take and give what the journal's SQL means: whole numbers for true and
false, plain numbers for sums, texts without the one character that Postgres has not.

The one place where psycopg is imported; nothing imports this module where it is not installed."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.types.string import StrDumperUnknown

__all__ = ["connect", "psycopg"]

DEFAULTS = {
    "application_name": "surefoot",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",
}


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\ufffd") if "\x00" in obj else obj)


class _Switch(Dumper):
    oid = psycopg.adapters.types["int4"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


class _Number(Loader):
    """Postgres adds whole numbers up to decimals."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection; each statement is its own transaction until one says BEGIN.

    :raises psycopg.Error: it cannot be made.
    """
    given = psycopg.conninfo.conninfo_to_dict(url)
    extra: dict[str, Any] = {name: text for name, text in DEFAULTS.items() if name not in given}
    connection = psycopg.connect(url, autocommit=True, **extra)
    connection.adapters.register_dumper(str, _Text)
    connection.adapters.register_dumper(bool, _Switch)
    connection.adapters.register_loader("numeric", _Number)
    return connection
