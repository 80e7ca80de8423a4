"""An HTTP server on loopback that allows so many requests a second, and keeps count.

    python -m bench.limited_server --rate 20

A token bucket: it holds as many tokens as it gets in one second, and is full at the start. A request
that finds none is answered 429 with ``Retry-After: 1``: whole seconds, as RFC 9110 (10.2.3) has it.
``GET /stats`` is not counted. It prints ``{"port": …}`` and ends when its standard input is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time


class Bucket:
    """Tokens come in at ``rate`` a second, and no more than ``rate`` are kept.

    >>> bucket = Bucket(2.0, now=0.0)
    >>> [bucket.take(now) for now in (0.0, 0.0, 0.0, 0.5)]
    [True, True, False, True]
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at = now

    def take(self, now: float) -> bool:
        """Whether a request is let through. ``now`` is seconds."""
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class LimitedServer:
    """What it counts: ``requests``, ``refused`` (429) and ``answered`` by path."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bucket: Bucket | None = None
        self.requests = 0
        self.refused = 0
        self.answered: dict[str, int] = {}

    def _reply(self, path: str) -> tuple[str, str, dict[str, object]]:
        if path == "/stats":
            told = {"requests": self.requests, "refused": self.refused, "answered": self.answered}
            return "200 OK", "", dict(told)
        self.requests += 1
        now = time.monotonic()
        if self._bucket is None:  # full when the first request comes, not when the server starts
            self._bucket = Bucket(self._rate, now)
        if not self._bucket.take(now):
            self.refused += 1
            return "429 Too Many Requests", "Retry-After: 1\r\n", {"error": "too many requests"}
        self.answered[path] = self.answered.get(path, 0) + 1
        return "200 OK", "", {"path": path}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One kept connection. Only requests without a body are known."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status, extra, value = self._reply(head.split(" ", 2)[1])
                body = json.dumps(value).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{extra}"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()


async def _main(rate: float) -> None:
    server = await asyncio.start_server(LimitedServer(rate).serve, "127.0.0.1", 0, backlog=512)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a server that allows so many requests a second")
    parser.add_argument("--rate", type=float, default=20.0)
    asyncio.run(_main(parser.parse_args().rate))
