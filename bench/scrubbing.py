"""How fast secrets are found: in text as logs have it, and in texts made to take long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from surefoot.scrub import Scrubber
from surefoot.scrub.formats import FORMATS

from .report import Row

MEGABYTE = 1_000_000


_LINES = (
    ("2026-11-22 14:03:{s:02},123 INFO surefoot.run run 2026-11-22-a1b2 step enrich attempt 2 took 12.3 ms "
    "tokens={n} key=user:{n}"),
    ("2026-11-22T14:03:{s:02}Z ERROR httpx HTTP Request: POST https://api.example.com/v1/chat/completions "
    '"HTTP/1.1 429 Too Many Requests" request_id=req_{id:032x}'),
    ('10.0.0.7 - - [22/Nov/2026:14:03:{s:02} +0000] "GET /items/{n}?page=2 HTTP/1.1" 200 {n} "-" '
    '"Mozilla/5.0 (X11; Linux x86_64)"'),
    '  File "/app/work.py", line {n}, in enrich\n    raise ValueError(text)',
    ("worker {s}: item 3fa85f64-5717-4562-b3fc-2c963f66{n:04x} done in 7.{n} s; model gpt-4o-mini-2024-07; "
    "author: Ada"),
)  # fmt: skip


def log_text(size: int, seed: int = 1) -> str:
    """Lines as programs write them; one in two hundred holds a secret."""
    chance = random.Random(seed)
    lines: list[str] = []
    length = 0
    while length < size:
        number = chance.randrange(10_000)
        lines.append(
            chance.choice(_LINES).format(n=number, s=number % 60, id=chance.getrandbits(128))
        )
        if number % 200 == 0:
            lines.append(f"ERROR login failed: password=hunter2-{number}")
        length += len(lines[-1]) + 1
    return "\n".join(lines)


def hostile_texts(size: int = MEGABYTE) -> dict[str, bytes]:
    """Texts that make patterns backtrack, match everywhere, or match all over again."""
    chance = random.Random(3)
    starts = [start for one in FORMATS for start in one.starts.split()]
    signs = "abkeytokn=:\"' \\.@/0123-_"
    pieces = {
        "aaaa…": "a",
        "eyJ…": "eyJ",
        "key=key=…": "key=",
        "key=a key=a …": "key=a ",
        'password="…': 'password="',
        "many quotes": "\"'",
        "token=f(…": "token=f(",
        "pwd=a1 …": "pwd=a1 ",
        "cookie: path=/;…": "cookie: path=/;",
        "authorization: a b …": "authorization: aaa bbb ",
        "://a:b@…": "x://a:b@c ",
        "a@b.…": "a@b.co ",
        "4111 …": "4111 ",
        "DE89 …": "DE89 ",
        "219-09-1234 …": "219-09-1234 ",
        "insert into …": "insert into a(password) values (",
        "password 'a' …": "password 'a' ",
        "curl -u a:b …": "curl -u a:b ",
        "--token x …": "--token x ",
        "%3A%2F…": "%3A%2F",
        "-----BEGIN PRIVATE KEY-----…": "-----BEGIN PRIVATE KEY-----\n",
        "the starts of all formats": " ".join(starts) + " ",
    }
    made = {name: (piece * (size // len(piece))).encode() for name, piece in pieces.items()}
    made["random signs"] = "".join(chance.choices(signs, k=size)).encode()
    mixed = "".join(chance.choices([*starts, "a", "0", "B", " "], k=size // 2))
    made["random starts of formats"] = mixed[:size].encode()
    return made


def _best(fn: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = time.process_time()
        fn()
        took.append(time.process_time() - began)
    return min(took)


def measure() -> list[Row]:
    scrubber = Scrubber(key=b"bench", known=("a-known-secret", "another-known-one"))
    text = log_text(2 * MEGABYTE)
    data = text.encode()
    scrubber.data(data)  # compiled once
    took = _best(lambda: scrubber.data(data), 5)
    low = _best(lambda: data.count(b"\n"), 5)
    rate = len(data) / took / MEGABYTE
    rows = [
        Row(
            "scrubbing text of logs, at once",
            rate,
            "MB/s",
            took / low,
            "counting its lines (s)",
            low,
            "≥ 20 MB/s",
            rate >= 20,
        )
    ]
    lines = text.splitlines()
    took = _best(lambda: [scrubber.text(line) for line in lines], 3)
    low = _best(lambda: [line.encode() for line in lines], 3)
    rows.append(
        Row(
            f"scrubbing one line of a log ({len(data) // len(lines)} bytes)",
            took / len(lines) * 1e6,
            "µs",
            took / low,
            "encoding it (s, all)",
            low,
            "≤ 50 µs",
            took / len(lines) <= 50e-6,
        )
    )
    worst, what = max(
        (_best(lambda data=data: scrubber.data(data), 2) / (len(data) / MEGABYTE), name)  # type: ignore[misc]
        for name, data in hostile_texts().items()
    )
    rows.append(
        Row(
            f"the worst of {len(hostile_texts())} hostile texts ({what})",
            worst,
            "s/MB",
            worst * rate,
            "text of logs (s/MB)",
            1 / rate,
            "≤ 1 s/MB",
            worst <= 1,
        )
    )
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row.line(), flush=True)
