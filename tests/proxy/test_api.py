"""Toxiproxy's HTTP API, seen from outside: holds for our server and for a real one."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.proxy.conftest import Http
from tests.proxy.servers import Server, connect, round_trip


def create(ask: Http, upstream: str, **more: Any) -> dict[str, Any]:
    wanted = {"name": "api", "listen": "127.0.0.1:0", "upstream": upstream, **more}
    answer = ask("POST", "/proxies", wanted)
    assert answer.status == 201, answer
    return dict(answer.json)


def add(ask: Http, **wanted: Any) -> dict[str, Any]:
    answer = ask("POST", "/proxies/api/toxics", wanted)
    assert answer.status == 200, answer
    return dict(answer.json)


def refused(listen: str) -> bool:
    try:
        connect(listen).close()
    except ConnectionRefusedError:
        return True
    return False


def test_no_proxies_are_an_empty_object(ask: Http) -> None:
    answer = ask("GET", "/proxies")
    assert answer.status == 200
    assert answer.json == {}
    assert answer.headers["content-type"] == "application/json"


def test_a_created_proxy_tells_its_real_port(ask: Http, upstream: Server) -> None:
    made = create(ask, upstream.address)
    assert made["name"] == "api"
    assert made["upstream"] == upstream.address
    assert made["enabled"] is True
    assert made["toxics"] == []
    host, _, port = made["listen"].rpartition(":")
    assert host == "127.0.0.1" and int(port) > 0
    with connect(made["listen"]) as client:
        assert round_trip(client, b"hello") == b"hello"


def test_a_name_is_resolved_to_the_address_that_is_listened_at(ask: Http, upstream: Server) -> None:
    made = create(ask, upstream.address, listen="localhost:0")
    assert made["listen"].startswith("127.0.0.1:")


def test_a_proxy_that_is_created_disabled_does_not_listen(ask: Http, upstream: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    made = create(ask, upstream.address, listen=f"127.0.0.1:{port}", enabled=False)
    assert made["enabled"] is False
    assert refused(made["listen"])
    assert ask("POST", "/proxies/api", {"enabled": True}).json["enabled"] is True
    assert not refused(made["listen"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"upstream": "127.0.0.1:1"}, "missing required field: name"),
        ({"name": "api"}, "missing required field: upstream"),
    ],
)
def test_a_proxy_without_a_needed_field_is_refused(
    ask: Http, wanted: dict[str, str], message: str
) -> None:
    answer = ask("POST", "/proxies", wanted)
    assert answer.status == 400
    assert answer.json == {"error": message, "status": 400}


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b'{"name": 5}', b"nonsense"])
def test_a_body_that_is_no_json_of_the_right_form_is_refused(ask: Http, body: bytes) -> None:
    answer = ask("POST", "/proxies", body)
    assert answer.status == 400
    assert answer.json["error"].startswith("bad request body: ")
    assert answer.json["status"] == 400


def test_a_second_proxy_of_one_name_is_a_conflict(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address)
    wanted = {"name": "api", "listen": "127.0.0.1:0", "upstream": upstream.address}
    answer = ask("POST", "/proxies", wanted)
    assert answer.status == 409
    assert answer.json == {"error": "proxy already exists", "status": 409}


def test_a_proxy_at_a_taken_port_is_not_created(ask: Http, upstream: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        wanted = {"name": "api", "listen": listen, "upstream": upstream.address}
        answer = ask("POST", "/proxies", wanted)
    assert answer.status == 500
    assert answer.json["status"] == 500
    assert ask("GET", "/proxies").json == {}


def test_a_proxy_is_shown_by_its_name_and_among_all(ask: Http, upstream: Server) -> None:
    made = create(ask, upstream.address)
    add(ask, type="noop")
    shown = ask("GET", "/proxies/api")
    assert shown.status == 200
    assert shown.json["listen"] == made["listen"]
    assert [toxic["name"] for toxic in shown.json["toxics"]] == ["noop_downstream"]
    assert ask("GET", "/proxies").json["api"]["toxics"] == shown.json["toxics"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proxies/none"),
        ("POST", "/proxies/none"),
        ("PATCH", "/proxies/none"),
        ("DELETE", "/proxies/none"),
        ("GET", "/proxies/none/toxics"),
        ("POST", "/proxies/none/toxics"),
        ("GET", "/proxies/none/toxics/t"),
        ("DELETE", "/proxies/none/toxics/t"),
    ],
)
def test_an_unknown_proxy_is_not_found(ask: Http, method: str, path: str) -> None:
    answer = ask(method, path, {} if method in ("POST", "PATCH") else None)
    assert answer.status == 404
    assert answer.json == {"error": "proxy not found", "status": 404}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_proxy_is_disabled_and_enabled_at_the_same_port(
    ask: Http, upstream: Server, method: str
) -> None:
    made = create(ask, upstream.address)
    with connect(made["listen"]) as client:
        assert round_trip(client, b"x") == b"x"
        answer = ask(method, "/proxies/api", {"enabled": False})
        assert answer.status == 200
        assert answer.json["enabled"] is False
        try:
            assert client.recv(1) == b""  # closed with it
        except ConnectionResetError:
            pass
    assert refused(made["listen"])
    again = ask(method, "/proxies/api", {"enabled": True})
    assert again.json["listen"] == made["listen"]
    with connect(made["listen"]) as client:
        assert round_trip(client, b"y") == b"y"


def test_another_upstream_keeps_the_port_and_closes_connections(
    ask: Http, upstream: Server
) -> None:
    made = create(ask, upstream.address)
    with Server(lambda one: one.sendall(b"second")) as second, connect(made["listen"]) as client:
        assert round_trip(client, b"x") == b"x"
        changed = ask("PATCH", "/proxies/api", {"upstream": second.address})
        assert changed.json["listen"] == made["listen"]
        assert changed.json["upstream"] == second.address
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
        with connect(made["listen"]) as other:
            assert other.recv(6) == b"second"


def test_a_deleted_proxy_is_gone(ask: Http, upstream: Server) -> None:
    made = create(ask, upstream.address)
    answer = ask("DELETE", "/proxies/api")
    assert (answer.status, answer.raw) == (204, b"")
    assert refused(made["listen"])
    assert ask("GET", "/proxies").json == {}


# -- toxics ---------------------------------------------------------------------------------------


def test_a_toxic_gets_its_defaults(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address)
    made = add(ask, type="latency", attributes={"latency": 5})
    made.pop("fired", None)
    assert made == {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
        "attributes": {"latency": 5, "jitter": 0},
    }
    shown = ask("GET", "/proxies/api/toxics/latency_downstream")
    assert shown.status == 200
    assert shown.json["attributes"] == {"latency": 5, "jitter": 0}


@pytest.mark.parametrize(
    ("type", "attributes"),
    [
        ("latency", {"latency": 1, "jitter": 2}),
        ("bandwidth", {"rate": 3}),
        ("slow_close", {"delay": 4}),
        ("timeout", {"timeout": 5}),
        ("reset_peer", {"timeout": 6}),
        ("slicer", {"average_size": 7, "size_variation": 8, "delay": 9}),
        ("limit_data", {"bytes": 10}),
        ("noop", {}),
    ],
)
def test_each_toxic_keeps_its_attributes(
    ask: Http, upstream: Server, type: str, attributes: dict[str, int]
) -> None:
    create(ask, upstream.address)
    wanted = {"name": "mine", "type": type, "stream": "upstream", "toxicity": 0.5}
    made = add(ask, **wanted, attributes=attributes)
    assert {**made, **wanted} == made
    assert made["attributes"] == attributes


@pytest.mark.parametrize("attributes", [None, {}, {"colour": "red"}])
def test_attributes_may_be_missing_or_unknown(
    ask: Http, upstream: Server, attributes: dict[str, str] | None
) -> None:
    create(ask, upstream.address)
    assert add(ask, type="latency", attributes=attributes)["type"] == "latency"


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"type": "flood"}, "invalid toxic type"),
        ({}, "invalid toxic type"),
        (
            {"type": "noop", "stream": "sideways"},
            "stream was invalid, can be either upstream or downstream",
        ),
    ],
)
def test_a_toxic_that_cannot_be_is_refused(
    ask: Http, upstream: Server, wanted: dict[str, str], error: str
) -> None:
    create(ask, upstream.address)
    answer = ask("POST", "/proxies/api/toxics", wanted)
    assert answer.status == 400
    assert answer.json == {"error": error, "status": 400}


@pytest.mark.parametrize("value", ["fast", 1.5, [], {}, True])
def test_an_attribute_of_another_type_is_refused(
    ask: Http, upstream: Server, value: object
) -> None:
    create(ask, upstream.address)
    wanted = {"type": "latency", "attributes": {"latency": value}}
    answer = ask("POST", "/proxies/api/toxics", wanted)
    assert answer.status == 400
    assert answer.json["error"].startswith("bad request body: ")
    assert ask("GET", "/proxies/api/toxics").json == []


def test_a_second_toxic_of_one_name_is_a_conflict(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address)
    add(ask, type="noop")
    answer = ask("POST", "/proxies/api/toxics", {"type": "noop"})
    assert answer.status == 409
    assert answer.json == {"error": "toxic already exists", "status": 409}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_update_keeps_what_it_does_not_name(ask: Http, upstream: Server, method: str) -> None:
    create(ask, upstream.address)
    add(ask, name="slow", type="latency", attributes={"latency": 5, "jitter": 3})
    path = "/proxies/api/toxics/slow"
    answer = ask(method, path, {"toxicity": 0.25, "attributes": {"latency": 8}})
    assert answer.status == 200
    assert answer.json["attributes"] == {"latency": 8, "jitter": 3}
    assert answer.json["toxicity"] == 0.25
    assert ask(method, path, {"attributes": {"jitter": 1}}).json["toxicity"] == 0.25
    assert ask("GET", path).json["attributes"] == {"latency": 8, "jitter": 1}


def test_toxics_are_listed_and_removed(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address)
    for name in ("one", "two", "three"):
        add(ask, name=name, type="noop")
    answer = ask("DELETE", "/proxies/api/toxics/two")
    assert (answer.status, answer.raw) == (204, b"")
    listed = ask("GET", "/proxies/api/toxics")
    assert [toxic["name"] for toxic in listed.json] == ["one", "three"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_unknown_toxic_is_not_found(ask: Http, upstream: Server, method: str) -> None:
    create(ask, upstream.address)
    body: object = {} if method in ("POST", "PATCH") else None
    answer = ask(method, "/proxies/api/toxics/none", body)
    assert answer.status == 404
    assert answer.json == {"error": "toxic not found", "status": 404}


# -- populate, reset and the rest -----------------------------------------------------------------


def test_populate_creates_what_is_not_there(ask: Http, upstream: Server) -> None:
    answer = ask(
        "POST",
        "/populate",
        [
            {"name": "one", "listen": "127.0.0.1:0", "upstream": upstream.address},
            {"name": "two", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "enabled": False},
        ],
    )
    assert answer.status == 201
    assert [(one["name"], one["enabled"]) for one in answer.json["proxies"]] == [
        ("one", True),
        ("two", False),
    ]
    assert set(ask("GET", "/proxies").json) == {"one", "two"}


def test_populate_keeps_what_is_the_same_and_replaces_what_differs(
    ask: Http, upstream: Server
) -> None:
    made = create(ask, upstream.address)
    add(ask, type="noop")
    same = {"name": "api", "listen": made["listen"], "upstream": upstream.address}
    kept = ask("POST", "/populate", [same]).json["proxies"][0]
    assert [toxic["type"] for toxic in kept["toxics"]] == ["noop"]
    other = {**same, "upstream": "127.0.0.1:1"}
    replaced = ask("POST", "/populate", [other]).json["proxies"][0]
    assert replaced["toxics"] == []
    assert replaced["listen"] == made["listen"]
    assert ask("GET", "/proxies/api").json["upstream"] == "127.0.0.1:1"


def test_populate_leaves_other_proxies_alone(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address)
    ask("POST", "/populate", [{"name": "b", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}])
    assert set(ask("GET", "/proxies").json) == {"api", "b"}


def test_populate_changes_nothing_where_an_entry_is_wrong(ask: Http, upstream: Server) -> None:
    good = {"name": "good", "listen": "127.0.0.1:0", "upstream": upstream.address}
    answer = ask("POST", "/populate", [good, {"upstream": "127.0.0.1:1"}])
    assert answer.status == 400
    assert answer.json["error"] == "missing required field: name at proxy 2"
    assert ask("GET", "/proxies").json == {}


def test_reset_enables_all_and_removes_toxics(ask: Http, upstream: Server) -> None:
    made = create(ask, upstream.address)
    add(ask, type="latency", attributes={"latency": 60_000})
    ask("POST", "/proxies/api", {"enabled": False})
    answer = ask("POST", "/reset")
    assert (answer.status, answer.raw) == (204, b"")
    shown = ask("GET", "/proxies/api").json
    assert shown["enabled"] is True
    assert shown["toxics"] == []
    assert shown["listen"] == made["listen"]


def test_the_version_is_told(ask: Http) -> None:
    answer = ask("GET", "/version")
    assert answer.status == 200
    assert answer.json["version"].startswith("2.")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/proxies"),
        ("PUT", "/proxies"),
        ("PUT", "/proxies/api"),
        ("DELETE", "/proxies/api/toxics"),
        ("PUT", "/proxies/api/toxics/t"),
        ("GET", "/populate"),
        ("GET", "/reset"),
        ("POST", "/version"),
    ],
)
def test_a_wrong_method_is_405(ask: Http, method: str, path: str) -> None:
    assert ask(method, path).status == 405


@pytest.mark.parametrize("path", ["/", "/none", "/proxies/api/none", "/proxies/a/toxics/b/c"])
def test_an_unknown_path_is_404(ask: Http, path: str) -> None:
    assert ask("GET", path).status == 404


def test_a_browser_is_turned_away(ask: Http) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    assert ask("GET", "/proxies", headers=agent).status == 403
    assert ask("POST", "/reset", headers=agent).status == 403


def test_a_name_may_have_characters_that_a_path_escapes(ask: Http, upstream: Server) -> None:
    create(ask, upstream.address, name="my api ü")
    answer = ask("GET", "/proxies/my%20api%20%C3%BC")
    assert answer.json["name"] == "my api ü"
    assert ask("DELETE", "/proxies/my%20api%20%C3%BC").status == 204
