"""A webhook receiver that keeps its word, and its own books.

    POST /hook    a notification with an ``Idempotency-Key``; applied once, however often it comes
    GET  /stats   {received, applied, keys: {key: {received, applied}}, fired: {fault: n}}

Every delivery is on disk before it is answered. Some answers are lost on purpose *after* that: the
sender sees a reset connection and cannot know that its notification has arrived.

    python -m examples.file_triage.receiver --database deliveries.db --lose 1
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from .loopback import Handler, Server, serve_until_parent_ends

SCHEMA = """
CREATE TABLE IF NOT EXISTS received (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL, answer_lost INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS applied (key TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL);
"""


class Books:
    """The deliveries, in SQLite. ``applied`` has no unique key: a double one would be seen."""

    def __init__(self, path: Path, lose: frozenset[int] = frozenset()) -> None:
        self._lock = threading.Lock()
        self._lose = lose
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def take(self, key: str, body: str) -> tuple[bool, bool]:
        """Record a delivery. Whether it was applied now, and whether its answer is to be lost."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            number = self._db.execute("SELECT count(*) + 1 FROM received").fetchone()[0]
            lost = number in self._lose
            self._db.execute(
                "INSERT INTO received VALUES (?, ?, ?, ?)", (number, key, time.time(), lost)
            )
            known = self._db.execute("SELECT 1 FROM applied WHERE key = ?", (key,)).fetchone()
            if known is None:
                self._db.execute("INSERT INTO applied VALUES (?, ?, ?)", (key, body, time.time()))
            self._db.execute("COMMIT")
        return known is None, lost

    def close(self) -> None:
        with self._lock:
            self._db.close()


def read_books(path: Path) -> dict[str, Any]:
    """The deliveries as counts, read from the file: works when the receiver has ended, too."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        keys: dict[str, dict[str, int]] = {}
        for table in ("received", "applied"):
            query = f"SELECT key, count(*) FROM {table} GROUP BY key"
            for key, count in db.execute(query):
                keys.setdefault(key, {"received": 0, "applied": 0})[table] = count
        lost = db.execute("SELECT count(*) FROM received WHERE answer_lost").fetchone()[0]
    return {
        "received": sum(one["received"] for one in keys.values()),
        "applied": sum(one["applied"] for one in keys.values()),
        "keys": keys,
        "fired": {"lost_answer": lost} if lost else {},
    }


class HookHandler(Handler):
    server: Receiver

    def do_GET(self) -> None:
        if self.path == "/stats":
            self.answer(200, read_books(self.server.path))
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        body = self.body()
        key = self.headers.get("Idempotency-Key")
        if self.path != "/hook" or key is None:
            self.answer(400, {"error": "POST /hook with an Idempotency-Key"})
            return
        try:
            json.loads(body)
        except ValueError:
            self.answer(400, {"error": "the body is not JSON"})
            return
        applied, lost = self.server.books.take(key, body.decode())
        if lost:
            self.reset()
        else:
            self.answer(200, {"key": key, "applied": applied})


class Receiver(Server):
    def __init__(self, path: Path, lose: frozenset[int], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), HookHandler)
        self.path = path
        self.books = Books(path, lose)


def main() -> None:
    parser = argparse.ArgumentParser(description="a webhook receiver on loopback")
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument(
        "--lose", type=int, nargs="*", default=[], help="numbers of deliveries whose answer is lost"
    )
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    serve_until_parent_ends(Receiver(given.database, frozenset(given.lose), given.port))


if __name__ == "__main__":
    main()
