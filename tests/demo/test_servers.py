"""The servers misbehave as planned, really over the wire, and keep honest books of it."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from examples.file_triage.faults import FAULTS, make_plan, plan_from_text, plan_to_text
from examples.file_triage.loopback import read_records, service
from examples.file_triage.receiver import read_books

from .conftest import StartModel, StartReceiver


def ask(url: str, item: str = "a", timeout: float = 2.0) -> httpx.Response:
    headers = {"X-Item": item}
    return httpx.post(f"{url}/v1/identify", content=b"hello", headers=headers, timeout=timeout)


def test_an_undisturbed_request_is_answered_and_recorded(start_model: StartModel) -> None:
    running = start_model({})
    assert ask(running.url).json()["label"] == "txt"
    assert [(line["fault"], line["item"]) for line in read_records(running.record)] == [(None, "a")]
    assert httpx.get(f"{running.url}/v1/stats").json() == {
        "answered": 1,
        "hanging": 0,
        "fired": {},
    }
    assert httpx.get(f"{running.url}/health").json() == {"ok": True}


def test_a_429_names_its_wait_and_refuses_everyone_until_then(start_model: StartModel) -> None:
    running = start_model({1: "rate_limit"})
    begun = time.monotonic()
    first = ask(running.url, "a")
    assert (first.status_code, first.headers["retry-after"]) == (429, "1")
    assert ask(running.url, "b").status_code == 429
    time.sleep(max(0.0, begun + 1.05 - time.monotonic()))
    assert ask(running.url, "a").status_code == 200
    faults = [line["fault"] for line in read_records(running.record)]
    assert faults == ["rate_limit", "rate_limit", None]


def test_requests_that_a_429_holds_off_do_not_use_up_the_plan(start_model: StartModel) -> None:
    running = start_model({1: "rate_limit", 2: "overload"})
    assert [ask(running.url).status_code for _ in range(3)] == [429, 429, 429]
    time.sleep(1.05)
    assert ask(running.url).status_code == 503


def test_a_503_is_a_503(start_model: StartModel) -> None:
    assert ask(start_model({1: "overload"}).url).status_code == 503


def test_a_hang_lasts_longer_than_the_client_waits(start_model: StartModel) -> None:
    running = start_model({1: "hang"})
    with pytest.raises(httpx.ReadTimeout):
        ask(running.url, timeout=0.2)
    patience = time.monotonic() + 2
    while httpx.get(f"{running.url}/v1/stats").json()["hanging"]:  # until it sees nobody waits
        assert time.monotonic() < patience


def test_truncated_json_comes_with_the_right_length_and_status(start_model: StartModel) -> None:
    response = ask(start_model({1: "truncate"}).url)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_reset_is_a_tcp_reset(start_model: StartModel) -> None:
    with pytest.raises(httpx.ReadError, match="(?i)reset"):
        ask(start_model({1: "reset"}).url)


def test_a_connection_is_kept_between_requests(start_model: StartModel) -> None:
    running = start_model({2: "reset"})
    with httpx.Client(timeout=2.0) as client:
        for item in "abcd":
            try:
                client.post(f"{running.url}/v1/identify", content=b"x", headers={"X-Item": item})
            except httpx.TransportError:
                assert item == "b"
    assert [line["fault"] for line in read_records(running.record)] == [None, "reset", None, None]


def test_what_the_server_does_not_know_it_says_so(start_model: StartModel) -> None:
    running = start_model({})
    assert httpx.get(f"{running.url}/nothing").status_code == 404
    assert httpx.post(f"{running.url}/nothing", content=b"").status_code == 404
    assert httpx.post(f"{running.url}/v1/identify", content=b"x" * (2 << 20)).status_code == 413


def test_a_fault_is_recorded_before_it_acts(start_model: StartModel) -> None:
    running = start_model({1: "hang"})
    with pytest.raises(httpx.ReadTimeout):
        ask(running.url, timeout=0.2)  # the hang goes on, its record is there already
    assert [line["fault"] for line in read_records(running.record)] == ["hang"]


def test_a_plan_depends_on_its_seed_alone_and_has_each_fault_in_each_half() -> None:
    assert make_plan(3, 400) == make_plan(3, 400) != make_plan(4, 400)
    for requests in (40, 47, 900):
        plan = make_plan(3, requests)
        halves = [{f for n, f in plan.items() if (n > requests / 2) == late} for late in (0, 1)]
        assert halves == [set(FAULTS), set(FAULTS)]
        assert max(plan) < requests
        assert plan_from_text(plan_to_text(plan)) == plan


def test_a_plan_for_too_few_requests_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 40 files"):
        make_plan(1, 39)


def test_an_unknown_fault_in_a_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="the faults are rate_limit"):
        plan_from_text("3=earthquake")


def deliver(url: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return httpx.post(f"{url}/hook", json={"n": 1}, headers=headers)


def test_a_delivery_is_applied_once_however_often_it_comes(start_receiver: StartReceiver) -> None:
    running = start_receiver(frozenset())
    assert [deliver(running.url, "k").json()["applied"] for _ in range(3)] == [True, False, False]
    assert read_books(running.record) == {
        "received": 3,
        "applied": 1,
        "keys": {"k": {"received": 3, "applied": 1}},
        "fired": {},
    }
    assert httpx.get(f"{running.url}/stats").json()["received"] == 3


def test_a_lost_answer_is_lost_after_the_work_was_done(start_receiver: StartReceiver) -> None:
    running = start_receiver(frozenset({1}))
    with pytest.raises(httpx.ReadError):
        deliver(running.url, "k")
    assert read_books(running.record)["keys"] == {"k": {"received": 1, "applied": 1}}
    assert read_books(running.record)["fired"] == {"lost_answer": 1}
    assert deliver(running.url, "k").json()["applied"] is False


def test_a_delivery_without_a_key_or_without_json_is_refused(start_receiver: StartReceiver) -> None:
    running = start_receiver(frozenset())
    assert deliver(running.url, None).status_code == 400
    headers = {"Idempotency-Key": "k"}
    assert httpx.post(f"{running.url}/hook", content=b"{", headers=headers).status_code == 400
    assert httpx.get(f"{running.url}/nothing").status_code == 404
    with closing(sqlite3.connect(running.record)) as db:
        assert db.execute("SELECT count(*) FROM received").fetchone() == (0,)


def test_the_real_model_server_knows_a_python_file_and_ends_with_its_starter(
    tmp_path: Path,
) -> None:
    pytest.importorskip("magika")
    record = str(tmp_path / "served.jsonl")
    with service("examples.file_triage.model_server", "--record", record) as model:
        with open(__file__, "rb") as file:
            response = httpx.post(f"{model.url}/v1/identify", content=file.read()[:4096])
        assert response.json()["label"] == "python"
    assert model.process.poll() == 0
