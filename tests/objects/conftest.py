"""A real S3 API on loopback (moto's server), and a door before it that can be told to refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

BUCKET = "checkpoints"
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>by this test</Message></Error>"


class Door:
    """Passes requests on to the S3 server. ``refuse`` is a list of (status, code) for the next ones."""

    def __init__(self, behind: Any) -> None:
        self.behind = behind
        self.refuse: list[tuple[int, str]] = []
        self.always: tuple[int, str] | None = None
        self.seen: list[str] = []

    def count(self, method: str) -> int:
        return self.seen.count(method)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        method = environ["REQUEST_METHOD"]
        self.seen.append(method)
        refusal = self.always if method != "HEAD" else None
        if refusal is None and self.refuse and method in ("PUT", "GET", "DELETE"):
            refusal = self.refuse.pop(0)
        if refusal is None:
            return self.behind(environ, start_response)
        if method == "PUT":
            length = environ.get("CONTENT_LENGTH")
            environ["wsgi.input"].read(*([int(length)] if length else []))
        start_response(f"{refusal[0]} Refused", [("Content-Type", "text/xml")])
        return [ERROR.format(refusal[1]).encode()]


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The S3 API, empty but for its bucket; the environment names it to s3fs."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    opened = Door(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, opened, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=BUCKET)
    yield opened
    server.shutdown()
    for backends in s3_backends.values():
        for backend in backends.values():
            backend.reset()
