"""A model behind HTTP that misbehaves on purpose.

Loads Magika (Google's file-type model) once and answers

    POST /v1/identify   the first and last bytes of a file → {label, group, mime, is_text, score, …}
    GET  /v1/stats      {answered, hanging, fired: {fault: n}}
    GET  /health        200 when the model is loaded

Which requests it spoils stands in its plan (faults.py). Each fault is written to the record, a file
of JSON lines, *before* it acts: what the demo says about faults is read from there.

    python -m examples.file_triage.model_server --record served.jsonl --plan 12=reset,40=hang
"""

from __future__ import annotations

import argparse
import json
import math
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .faults import Fault, plan_from_text
from .loopback import Handler, Records, Server, serve_until_parent_ends

LARGEST_BODY = 1 << 20
RETRY_AFTER = 1
"""Seconds for which a 429 refuses everyone."""


class Model(Protocol):
    def identify(self, payload: bytes) -> dict[str, Any]: ...


class MagikaModel:
    def __init__(self) -> None:
        from magika import Magika

        self._magika = Magika()
        self._one_at_a_time = threading.Lock()

    def identify(self, payload: bytes) -> dict[str, Any]:
        with self._one_at_a_time:
            found = self._magika.identify_bytes(payload)
        return {
            "label": str(found.output.label),
            "group": found.output.group,
            "mime": found.output.mime_type,
            "description": found.output.description,
            "is_text": found.output.is_text,
            "score": float(found.score),
            "model": self._magika.get_model_name(),
        }


class State:
    """What all requests share: the count, the plan, and until when everyone is refused."""

    def __init__(self, model: Model, plan: Mapping[int, Fault], records: Records) -> None:
        self.model = model
        self.plan = plan
        self.records = records
        self.ending = threading.Event()
        self.fired: Counter[str] = Counter()
        self.answered = 0
        self.hangs = 0
        self._let_in = 0
        self._refuse_until = 0.0
        self._lock = threading.Lock()

    def meet(self, item: str) -> tuple[Fault | None, float]:
        """The fault that this request meets, and for a 429 the seconds to wait."""
        with self._lock:
            now = time.monotonic()
            fault: Fault | None
            if now < self._refuse_until:  # a 429 is meant: until its time nobody gets in
                fault = "rate_limit"
                wait = float(math.ceil(self._refuse_until - now))
            else:
                self._let_in += 1
                fault = self.plan.get(self._let_in)
                wait = 0.0
                if fault == "rate_limit":
                    wait = float(RETRY_AFTER)
                    self._refuse_until = now + wait
            if fault is not None:
                self.fired[fault] += 1
                self.records.add(fault=fault, item=item, wait=wait)
            return fault, wait

    @contextmanager
    def hanging(self) -> Iterator[None]:
        with self._lock:
            self.hangs += 1
        try:
            yield
        finally:
            with self._lock:
                self.hangs -= 1

    def served(self, item: str) -> None:
        with self._lock:
            self.answered += 1
        self.records.add(fault=None, item=item)


class ModelHandler(Handler):
    server: ModelServer

    def do_GET(self) -> None:
        state = self.server.state
        if self.path == "/health":
            self.answer(200, {"ok": True})
        elif self.path == "/v1/stats":
            told = {"answered": state.answered, "hanging": state.hangs, "fired": dict(state.fired)}
            self.answer(200, told)
        else:
            self.answer(404, {"error": {"code": "not_found", "message": self.path}})

    def do_POST(self) -> None:
        state = self.server.state
        if int(self.headers.get("Content-Length", "0")) > LARGEST_BODY:
            self.close_connection = True
            self.answer(413, {"error": {"code": "too_large", "message": f"over {LARGEST_BODY}"}})
            return
        payload = self.body()
        if self.path != "/v1/identify":
            self.answer(404, {"error": {"code": "not_found", "message": self.path}})
            return
        item = self.headers.get("X-Item", "")
        fault, wait = state.meet(item)
        if fault == "rate_limit":
            error = {"code": "rate_limit_exceeded", "message": "too many requests"}
            self.answer(429, {"error": error}, {"Retry-After": str(int(wait))})
        elif fault == "overload":
            self.answer(503, {"error": {"code": "overloaded", "message": "all replicas are busy"}})
        elif fault == "hang":
            self.hang()
            self.reset()
        elif fault == "reset":
            self.reset()
        elif fault == "truncate":
            # valid HTTP, its length is right; the JSON ends in the middle, as a model's answer
            # does that ran out of tokens
            whole = json.dumps(state.model.identify(payload)).encode()
            self.answer_bytes(200, whole[: len(whole) // 2])
        else:
            answer = state.model.identify(payload)
            # counted before it is sent: who waits for "half are answered" never waits too long
            state.served(item)
            self.answer(200, answer)

    def hang(self) -> None:
        """Say nothing until the time is over or the client has given up."""
        state, until = self.server.state, time.monotonic() + self.server.hang
        with state.hanging():
            while not state.ending.wait(0.02) and time.monotonic() < until:
                # a readable connection that was asked nothing new: the other side has closed it
                if select.select([self.connection], [], [], 0)[0]:
                    break


class ModelServer(Server):
    def __init__(self, state: State, hang: float, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), ModelHandler)
        self.state = state
        self.hang = hang


def main() -> None:
    parser = argparse.ArgumentParser(description="a file-type model on loopback that misbehaves")
    parser.add_argument("--record", type=Path, required=True, help="file of JSON lines to write")
    parser.add_argument("--plan", default="", help="faults by request, as 12=reset,40=hang")
    parser.add_argument("--hang", type=float, default=8.0, help="seconds that a hang lasts")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    try:
        model = MagikaModel()
    except ImportError as exc:
        parser.exit(2, f"{exc}; install the model: pip install 'surefoot[demo]'\n")
    state = State(model, plan_from_text(given.plan), Records(given.record))
    server = ModelServer(state, given.hang, given.port)
    serve_until_parent_ends(server)
    state.ending.set()


if __name__ == "__main__":
    main()
