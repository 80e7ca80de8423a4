"""The other side: warehouse, card company, carrier and mail server in one, with books of its own.

    POST /<deed>    {"order": …, "subject": …} with an ``Idempotency-Key``; applied once for each key
    GET  /deeds?key=…   {"receipt": … or null}: whether a key was applied, for whoever is in doubt
    GET  /books     everything that was applied, in its order, and which faults have fired

Every deed is on disk before it is answered. Its *business key* is ``deed:order:subject``, made from
what is asked for and not from the idempotency key: a caller that did the same thing under two keys
would be found out here.

    python -m examples.payment_saga.receiver --database books.db --fault charge:reset

Faults: ``charge:reset`` (applied, then the answer is lost), ``refund:503`` (not applied, come again),
``release:hold:2`` (the second release is applied, and its answer never comes). Each fires once.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..file_triage.loopback import Handler, Server, serve_until_parent_ends

DEEDS = frozenset(("reserve", "charge", "ship", "notify", "release", "refund"))
NO_SUCH_PLACE = "nowhere"
"""The carrier refuses this address, today and tomorrow."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS asked (number INTEGER PRIMARY KEY, deed TEXT, key TEXT, status TEXT);
CREATE TABLE IF NOT EXISTS applied (
    number INTEGER PRIMARY KEY, business TEXT NOT NULL, key TEXT NOT NULL
);
"""


class Books:
    """In SQLite. ``applied`` has no unique column: a double deed would be seen."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def asked(self, deed: str, key: str, status: str) -> None:
        with self._lock:
            self._db.execute(
                "INSERT INTO asked (deed, key, status) VALUES (?, ?, ?)", (deed, key, status)
            )

    def apply(self, business: str, key: str) -> str:
        """Do it, unless this key was applied; gives the receipt."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            found = self._db.execute("SELECT number FROM applied WHERE key = ?", (key,)).fetchone()
            if found is None:
                insert = "INSERT INTO applied (business, key) VALUES (?, ?)"
                found = (self._db.execute(insert, (business, key)).lastrowid,)
            self._db.execute("COMMIT")
        return f"receipt-{found[0]}"

    def receipt(self, key: str) -> str | None:
        with self._lock:
            found = self._db.execute("SELECT number FROM applied WHERE key = ?", (key,)).fetchone()
        return None if found is None else f"receipt-{found[0]}"

    def close(self) -> None:
        with self._lock:
            self._db.close()


def read_books(path: Path) -> dict[str, Any]:
    """``applied``: business keys in the order in which they were done; ``asked``: [deed, status]."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        applied = [row[0] for row in db.execute("SELECT business FROM applied ORDER BY number")]
        asked = [list(row) for row in db.execute("SELECT deed, status FROM asked ORDER BY number")]
    return {"applied": applied, "asked": asked}


class Faults:
    """Which request of a deed is spoiled, and how."""

    def __init__(self, given: list[str]) -> None:
        self._lock = threading.Lock()
        self._left: dict[tuple[str, int], str] = {}
        self._seen: dict[str, int] = {}
        for one in given:
            deed, how, *number = one.split(":")
            self._left[deed, int(number[0]) if number else 1] = how

    def next(self, deed: str) -> str:
        """``""`` where nothing is wrong with the next request of this deed."""
        with self._lock:
            number = self._seen[deed] = self._seen.get(deed, 0) + 1
            return self._left.pop((deed, number), "")


class DeedHandler(Handler):
    server: Receiver

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/books":
            self.answer(200, read_books(self.server.path))
        elif asked.path == "/deeds":
            key = parse_qs(asked.query).get("key", [""])[0]
            self.answer(200, {"receipt": self.server.books.receipt(key)})
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        given = json.loads(self.body())
        deed, key = self.path.lstrip("/"), self.headers.get("Idempotency-Key")
        if deed not in DEEDS or key is None:
            self.answer(400, {"error": "POST /<deed> with an Idempotency-Key"})
            return
        books, how = self.server.books, self.server.faults.next(deed)
        if how == "503":
            books.asked(deed, key, "503")
            self.answer(503, {"error": "closed for a moment"}, {"Retry-After": "0"})
        elif deed == "ship" and given.get("address") == NO_SUCH_PLACE:
            books.asked(deed, key, "422")
            self.answer(422, {"error": "there is no such address"})
        else:
            receipt = books.apply(f"{deed}:{given['order']}:{given['subject']}", key)
            books.asked(deed, key, how or "200")
            if how == "reset":
                self.reset()
            elif how == "hold":
                self.server.ending.wait()  # whoever asks is dead before it hears
            else:
                self.answer(200, {"receipt": receipt})


class Receiver(Server):
    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), DeedHandler)
        self.path = path
        self.books = Books(path)
        self.faults = Faults(faults)
        self.ending = threading.Event()

    def shutdown(self) -> None:
        self.ending.set()
        super().shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description="the other side of a shop, on loopback")
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--fault", action="append", default=[], help="deed:how[:number]")
    given = parser.parse_args()
    serve_until_parent_ends(Receiver(given.database, given.fault))


if __name__ == "__main__":
    main()
