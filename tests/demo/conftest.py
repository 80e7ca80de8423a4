"""Servers of the demo in this process, with a model that is quick and always sure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.file_triage.faults import Fault
from examples.file_triage.loopback import Records, Server
from examples.file_triage.model_server import ModelServer, State
from examples.file_triage.receiver import Receiver

StartModel = Callable[[Mapping[int, Fault]], "Running"]
StartReceiver = Callable[[frozenset[int]], "Running"]


class SureModel:
    """Stands in for Magika where only the server around it is looked at."""

    def identify(self, payload: bytes) -> dict[str, Any]:
        return {
            "label": "txt",
            "group": "text",
            "mime": "text/plain",
            "description": f"text of {len(payload)} bytes",
            "is_text": True,
            "score": 0.99,
            "model": "sure",
        }


@dataclass(frozen=True)
class Running:
    url: str
    record: Path
    server: Any


@contextmanager
def serving(server: Server) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def start_model(tmp_path: Path) -> Iterator[StartModel]:
    with ExitStack() as stack:

        def start(plan: Mapping[int, Fault]) -> Running:
            record = tmp_path / "served.jsonl"
            records = stack.enter_context(closing(Records(record)))
            state = State(SureModel(), plan, records)
            server = ModelServer(state, hang=5.0)
            url = stack.enter_context(serving(server))
            stack.callback(state.ending.set)
            return Running(url, record, server)

        yield start


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[StartReceiver]:
    with ExitStack() as stack:

        def start(lose: frozenset[int]) -> Running:
            path = tmp_path / "deliveries.db"
            server = Receiver(path, lose)
            stack.enter_context(closing(server.books))
            return Running(stack.enter_context(serving(server)), path, server)

        yield start
