"""Documents, archives, TLS, mail and URLs of the standard library, as they really fail."""

from __future__ import annotations

import bz2
import csv
import datetime
import gzip
import http.client
import io
import json
import lzma
import pickle
import shutil
import smtplib
import socket
import ssl
import struct
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.libraries.talk import certificate, full_device, says, talking
from tests.rules.conftest import Judge
from tests.rules.servers import closed_port


def raised(what: Callable[[], Any]) -> BaseException:
    try:
        what()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


# --- JSON

TRUNCATED = [
    '{"a": [1, 2',
    '{"a": "the answer is',
    '{"a": {"b": tru',
    '{"a": 1,',
    "[1, 2, 3",
    '{"a": "x\\u00',
    '{"a":',
    '{"a": 1}, {"b": [',
]
MALFORMED = [
    "{'a': 1}",
    '{"a": 1,}',
    "Sure! Here is the JSON you asked for: {}",
    '```json\n{"a": 1}\n```',
    '{"a": Paris, "b": 2, "c": "and so on, and so on, and so on"}',
    '{"a": 1} {"b": 2}',
    '{"a": "x\ty"}',
]


def _json(text: str) -> BaseException:
    return raised(lambda: json.loads(text))


def _orjson(text: str) -> BaseException:
    import orjson

    return raised(lambda: orjson.loads(text))


@pytest.mark.parametrize("parse", [_json, _orjson])
@pytest.mark.parametrize("text", TRUNCATED[:-1])
def test_json_that_is_cut_off_is_cut_off_again(
    parse: Callable[[str], BaseException], text: str, judge: Judge
) -> None:
    """At ingestion it is data; after a model was asked, only a higher limit of its output helps."""
    exc = parse(text)
    judge(exc, "parse_error", retryable=False, stage="ingestion", category="data")
    judge(exc, "output_truncated", retryable=False, stage="inference", category="model")
    judge(exc, "output_truncated", retryable=False, stage="postprocessing", category="model")


@pytest.mark.parametrize("parse", [_json, _orjson])
@pytest.mark.parametrize("text", MALFORMED)
def test_json_that_is_wrong_may_be_right_the_next_time(
    parse: Callable[[str], BaseException], text: str, judge: Judge
) -> None:
    exc = parse(text)
    judge(exc, "parse_error", retryable=False, stage="ingestion", category="data")
    judge(exc, "malformed_output", retryable=True, stage="inference", category="model")


def test_json_that_is_empty_or_a_page(judge: Judge) -> None:
    for parse in (_json, _orjson):
        judge(parse(""), "empty_data", retryable=False, stage="ingestion")
        judge(parse(""), "malformed_output", retryable=True, stage="inference")
        page = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
        judge(parse(page), "server_error", retryable=True, stage="inference")
        judge(parse(f"\n\r\n  {page}"), "server_error", retryable=True, stage="inference")
        judge(parse(" \n"), "empty_data", retryable=False, stage="ingestion")
    exc = raised(lambda: json.loads(b'{"a": "\xff"}'))
    judge(exc, "encoding_error", retryable=False, stage="ingestion")


def test_what_cannot_be_written_as_json_is_a_bug(judge: Judge) -> None:
    judge(raised(lambda: json.dumps({"a": object()})), "bug", retryable=False)
    judge(
        raised(lambda: json.dumps(float("nan"), allow_nan=False)), "invalid_value", retryable=False
    )


# --- CSV


def test_csv_that_cannot_be_read(judge: Judge) -> None:
    def read(text: str, **options: Any) -> BaseException:
        return raised(lambda: list(csv.reader(io.StringIO(text), **options)))

    limit = csv.field_size_limit()
    exc = read('"' + "x" * (limit + 1))
    judge(exc, "parse_error", retryable=False, category="data", stage="ingestion")
    judge(read('"a"b', strict=True), "parse_error", retryable=False)
    judge(read('"a', strict=True), "parse_error", retryable=False)
    exc = raised(lambda: list(csv.reader(io.BytesIO(b"a,b\n"))))
    judge(exc, "bug", retryable=False)
    judge(read("a", dialect="no such dialect"), "bug", retryable=False)


# --- archives and binary data


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "some text, " * 1_000)
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = 5_000
        archive.addfile(member, io.BytesIO(b"x" * 5_000))
    return out.getvalue()


def _unzip(raw: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return archive.read("a.txt")


def _untar(raw: bytes) -> Any:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return [archive.extractfile(each).read() for each in archive]  # type: ignore[union-attr]


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]


TEXT = b"some text, " * 1_000
DAMAGED: dict[str, Callable[[], Any]] = {
    "zip, cut off": lambda: _unzip(_zip()[:-30]),
    "zip, a page": lambda: _unzip(b"<html></html>"),
    "zip, a wrong sum": lambda: _unzip(_flipped(_zip(), 40)),
    "gzip, cut off": lambda: gzip.decompress(gzip.compress(TEXT)[:-12]),
    "gzip, a page": lambda: gzip.decompress(b"<html></html>"),
    "gzip, a wrong sum": lambda: gzip.decompress(_flipped(gzip.compress(TEXT), -6)),
    "zlib, cut off": lambda: zlib.decompress(zlib.compress(TEXT)[:-6]),
    "zlib, another format": lambda: zlib.decompress(b"no zlib at all"),
    "bz2, cut off": lambda: io.BufferedReader(
        bz2.BZ2File(io.BytesIO(bz2.compress(TEXT)[:-9]))  # type: ignore[arg-type]
    ).read(),
    "bz2, cut off in memory": lambda: bz2.decompress(bz2.compress(TEXT)[:-9]),
    "lzma, cut off in memory": lambda: lzma.decompress(lzma.compress(TEXT)[:-9]),
    "bz2, another format": lambda: bz2.decompress(b"no bz2 at all"),
    "lzma, cut off": lambda: lzma.LZMAFile(io.BytesIO(lzma.compress(TEXT)[:-9])).read(),
    "lzma, another format": lambda: lzma.decompress(b"no lzma at all"),
    "tar, cut off": lambda: _untar(_tar()[:3_000]),
    "tar, another format": lambda: _untar(b"no tar at all" * 100),
    "struct, too short": lambda: struct.unpack("<I", b"abc"),
    "pickle, a page": lambda: pickle.loads(b"<html></html>"),
    "pickle, cut off": lambda: pickle.loads(pickle.dumps(list(range(100)))[:-20]),
    "pickle, empty": lambda: pickle.loads(b""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_damaged_the_next_time(name: str, judge: Judge) -> None:
    exc = raised(DAMAGED[name])
    judge(exc, "corrupt_file", retryable=False, category="data", stage="ingestion")


def test_a_member_that_ends_too_early_says_nothing_and_is_known_by_its_stage(judge: Judge) -> None:
    """zipfile raises a bare EOFError, as a pipe does that was closed."""

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "some text")

    def read() -> Any:
        with zipfile.ZipFile(out) as archive:
            member = archive.getinfo("a.txt")
            member.file_size = member.compress_size = 10_000
            return archive.read("a.txt")

    exc = raised(read)
    assert type(exc) is EOFError and not str(exc)
    judge(exc, "corrupt_file", retryable=False, stage="ingestion")
    judge(EOFError(), "connection", retryable=True, stage="notification")


def test_an_archive_that_is_not_for_us(tmp_path: Path, judge: Judge) -> None:
    def wrong_method() -> Any:
        with zipfile.ZipFile(io.BytesIO(_zip())) as archive:
            archive.getinfo("a.txt").compress_type = 99
            return archive.open("a.txt")

    def locked() -> Any:
        raw = bytearray(_zip())
        raw[6] |= 1  # the flag of encryption, in both headers
        raw[raw.index(b"PK\x01\x02") + 8] |= 1
        return _unzip(bytes(raw))

    def no_member() -> Any:
        with zipfile.ZipFile(io.BytesIO(_zip())) as archive:
            return archive.read("b.txt")

    def no_tar_member() -> Any:
        with tarfile.open(fileobj=io.BytesIO(_tar())) as archive:
            return archive.extractfile("b.txt")

    judge(
        raised(wrong_method), "invalid_value", retryable=False, category="data", stage="ingestion"
    )
    judge(raised(locked), "permission", retryable=False, category="data", stage="ingestion")
    judge(raised(no_member), "not_found", retryable=False, category="data", stage="ingestion")
    judge(raised(no_tar_member), "not_found", retryable=False, category="data", stage="ingestion")
    (tmp_path / "x.zip").write_text("no zip")
    exc = raised(lambda: shutil.unpack_archive(tmp_path / "x.zip", tmp_path))
    judge(exc, "corrupt_file", retryable=False)
    empty = raised(lambda: tarfile.open(fileobj=io.BytesIO(b"")))
    judge(empty, "empty_data", retryable=False, stage="ingestion")


@pytest.mark.skipif(not hasattr(tarfile, "FilterError"), reason="Python 3.10.11 and before")
def test_a_member_that_would_leave_its_folder_is_not_unpacked(tmp_path: Path, judge: Judge) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        exc = raised(lambda: archive.extractall(tmp_path, filter="data"))
    judge(exc, "invalid_value", retryable=False, category="data", stage="ingestion")


def test_an_archive_that_needs_what_was_forbidden_is_a_bug(judge: Judge) -> None:
    def write() -> None:
        with zipfile.ZipFile(io.BytesIO(), "w", allowZip64=False) as archive:
            info = zipfile.ZipInfo("a")
            info.file_size = 1 << 33
            archive.open(info, "w")

    judge(raised(write), "bug", retryable=False)


def test_a_member_that_grows_past_what_its_header_can_say_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    """Whoever writes it must have passed ``force_zip64=True``."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1_000)

    def write() -> None:
        with zipfile.ZipFile(io.BytesIO(), "w") as archive:
            with archive.open("a.txt", "w") as member:
                member.write(b"x" * 5_000)

    exc = raised(write)
    assert type(exc) is RuntimeError
    judge(exc, "bug", retryable=False)


def test_base64_and_packing(judge: Judge) -> None:
    judge(raised(lambda: b64decode("abc", validate=True)), "encoding_error", retryable=False)
    judge(raised(lambda: struct.pack("<I", -1)), "bug", retryable=False)
    judge(raised(lambda: pickle.dumps(lambda: 1)), "bug", retryable=False)


def test_a_tree_that_cannot_be_copied(tmp_path: Path, judge: Judge) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "file").write_text("x")
    target.mkdir()
    full = full_device(tmp_path)

    def copy(inner: str, outer: str) -> None:
        full.write_bytes(Path(inner).read_bytes())

    def copied() -> None:
        shutil.copytree(source, tmp_path / "copy", copy_function=copy)

    exc = raised(copied)
    assert type(exc) is shutil.Error
    judge(exc, "disk_full", retryable=False)
    (source / "link").symlink_to(tmp_path / "nothing")
    exc = raised(lambda: shutil.copytree(source, tmp_path / "copied"))
    judge(exc, "not_found", retryable=False)
    (target / "source").mkdir()
    judge(raised(lambda: shutil.move(source, target)), "conflict", retryable=False)
    judge(raised(lambda: shutil.move(source, source / "inner")), "bug", retryable=False)


# --- TLS, by its reasons


def _handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "127.0.0.1"
) -> BaseException:
    def talk(connection: socket.socket) -> None:
        connection.recv(100)

    with talking(talk, server) as address:

        def connect() -> None:
            with socket.create_connection(address, timeout=10) as plain:
                with client.wrap_socket(plain, server_hostname=name) as wrapped:
                    wrapped.recv(100)  # with TLS 1.3 a refusal comes after the handshake

        return raised(connect)


def test_certificates_that_are_not_good(judge: Judge) -> None:
    server, _ = certificate("127.0.0.1")
    stranger = ssl.create_default_context()
    judge(_handshake(server, stranger), "tls", retryable=False, outcome="refused")
    other, trusting = certificate("other.example")
    judge(_handshake(other, trusting), "tls", retryable=False, outcome="refused")
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    expired, trusting = certificate("127.0.0.1", not_after=past)
    exc = _handshake(expired, trusting)
    assert "certificate has expired" in str(exc)
    judge(exc, "tls", retryable=False, outcome="refused")


def test_no_version_in_common(judge: Judge) -> None:
    server, client = certificate("127.0.0.1")
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    judge(_handshake(server, client), "tls", retryable=False)


def test_a_server_that_wants_a_certificate_of_ours(judge: Judge) -> None:
    server, client = certificate("127.0.0.1")
    server.verify_mode = ssl.CERT_REQUIRED
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    exc = _handshake(server, client)
    assert "CERTIFICATE_REQUIRED" in str(exc)
    judge(exc, "tls", retryable=False)


def test_no_tls_on_the_other_side(judge: Judge) -> None:
    client = ssl.create_default_context()

    def connect(address: tuple[str, int]) -> BaseException:
        def wrap() -> None:
            with socket.create_connection(address, timeout=10) as plain:
                client.wrap_socket(plain, server_hostname="127.0.0.1").close()

        return raised(wrap)

    with talking(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        exc = connect(address)
    judge(exc, "misconfiguration", retryable=False, outcome="refused")
    with talking(lambda connection: connection.recv(100) and None) as address:
        exc = connect(address)
    judge(exc, "connection", retryable=True)


def test_a_stream_that_is_not_ready_is_no_fault_of_tls(judge: Judge) -> None:
    client = ssl.create_default_context()
    idle = client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x")
    judge(raised(idle.do_handshake), "resource_exhausted", retryable=True)


def test_a_stream_that_was_damaged_is_worth_another_try(judge: Judge) -> None:
    """Bytes are changed on their way, as by two threads that share one connection."""
    server_context, client_context = certificate("127.0.0.1")
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    server.write(b"x" * 100)
    raw = to_client.read()
    to_client.write(_flipped(raw, len(raw) - 5))
    judge(raised(lambda: client.read(100)), "connection", retryable=True, outcome="open")


# --- URLs and HTTP without a library


def test_urls_that_are_none(judge: Judge) -> None:
    open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    for url in ("foo://x", "http:///path"):
        exc = raised(lambda url=url: open_url(url))
        assert type(exc) is urllib.error.URLError
        judge(exc, "misconfiguration", retryable=False, outcome="refused")
    exc = raised(lambda: open_url("http://x/a b\n"))
    judge(exc, "invalid_value", retryable=False, outcome="refused")
    judge(raised(lambda: open_url("file:///no/such/file")), "not_found", retryable=False)


def test_a_download_that_is_too_short(tmp_path: Path, judge: Judge) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"
    with talking(says(raw)) as (host, port):
        url = f"http://{host}:{port}/"
        exc = raised(lambda: urllib.request.urlretrieve(url, tmp_path / "file"))
    assert isinstance(exc, urllib.error.ContentTooShortError)
    judge(exc, "connection", retryable=True, outcome="open")


def test_http_client_as_it_fails(judge: Judge) -> None:
    def asked(raw: bytes, twice: bool = False) -> BaseException:
        with talking(says(raw)) as (host, port):
            connection = http.client.HTTPConnection(host, port, timeout=10)

            def ask() -> None:
                connection.request("GET", "/")
                if twice:
                    connection.request("GET", "/")
                connection.getresponse().read()

            try:
                return raised(ask)
            finally:
                connection.close()

    judge(asked(b""), "connection", retryable=True, outcome="open")
    judge(asked(b"SSH-2.0-OpenSSH_9.0\r\n"), "connection", retryable=True, outcome="open")
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"
    judge(asked(short), "connection", retryable=True, outcome="open")
    judge(asked(short, twice=True), "bug", retryable=False)
    exc = raised(lambda: http.client.HTTPConnection("127.0.0.1", closed_port()).connect())
    judge(exc, "connection", retryable=True, outcome="refused")


# --- mail


@contextmanager
def _mail(**said: str) -> Iterator[int]:
    """The port of a mail server that answers so to its commands; 250 to all others."""

    def talk(client: socket.socket) -> None:
        with client.makefile("rwb", buffering=0) as lines:
            greeting = said.get("greeting", "220 mail")
            lines.write(f"{greeting}\r\n".encode())
            data = False
            for line in lines:
                word = line.split()[0].decode().upper() if line.strip() else ""
                if data and line != b".\r\n":
                    continue
                word = "END" if data else word
                data = False
                usual = {"DATA": "354 go on", "QUIT": "221 bye"}.get(word, "250 OK")
                answer = said.get(word.lower(), usual)
                if answer == "gone":
                    return
                data = answer.startswith("354")
                if word == "EHLO" and answer == "250 OK":
                    answer = "250-mail\r\n250 AUTH PLAIN"
                lines.write(f"{answer}\r\n".encode())

    with talking(talk) as (_, port):
        yield port


def _sent(login: bool = False, **said: str) -> BaseException:
    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            if login:
                client.login("ada", "secret")
            client.sendmail("ada@example.com", ["bob@example.com"], "Subject: x\r\n\r\nx")

    with _mail(**said) as port:
        return raised(lambda: send(port))


@pytest.mark.parametrize(
    ("said", "kind", "retryable", "outcome"),
    [
        ({"greeting": "421 Service not available"}, "connection", True, "refused"),
        ({"greeting": "554 No SMTP service here"}, "permission", False, "refused"),
        ({"rcpt": "450 4.2.0 Greylisted, try again later"}, "server_error", True, "refused"),
        ({"rcpt": "550 5.1.1 No such user"}, "invalid_value", False, "refused"),
        # a code in the words of a refusal is not the refusal's own
        ({"rcpt": "550 5.1.1 said (450, 'later') yesterday"}, "invalid_value", False, "refused"),
        ({"rcpt": "550 5.4.5 Daily user sending limit exceeded."}, "quota_exhausted", False, None),
        ({"rcpt": "452 4.5.3 Daily message quota exceeded"}, "quota_exhausted", False, "refused"),
        ({"rcpt": "530 5.7.0 Authentication Required"}, "auth", False, "refused"),
        ({"rcpt": "530 5.7.0 Must issue a STARTTLS command"}, "misconfiguration", False, None),
        ({"rcpt": "450 4.2.1 Receiving mail at too high a rate"}, "rate_limited", True, "refused"),
        ({"rcpt": "421 4.7.0 Too many connections, slow down"}, "rate_limited", True, "refused"),
        ({"rcpt": "451 4.3.0 Temporary lookup failure"}, "server_error", True, "refused"),
        ({"rcpt": "552 5.3.4 Message too large"}, "payload_too_large", False, "refused"),
        ({"mail": "530 5.7.0 Authentication Required"}, "auth", False, "refused"),
        (
            {"mail": "530 5.7.0 Must issue a STARTTLS command first"},
            "misconfiguration",
            False,
            None,
        ),
        ({"mail": "451 4.3.0 Local error in processing"}, "server_error", True, "refused"),
        ({"mail": "452 4.4.5 Rate limit, too many messages"}, "rate_limited", True, "refused"),
        ({"mail": "550 5.7.1 Sender refused"}, "invalid_request", False, "refused"),
        ({"data": "550 5.4.5 Daily user sending limit exceeded."}, "quota_exhausted", False, None),
        ({"end": "552 5.3.4 Message size exceeds fixed limit"}, "payload_too_large", False, None),
        ({"end": "451 4.7.1 Please try again later"}, "server_error", True, "refused"),
        ({"end": "554 5.7.1 Rejected as spam"}, "invalid_request", False, "refused"),
        ({"end": "gone"}, "connection", True, "open"),
        ({"mail": "gone"}, "connection", True, "open"),
    ],
)
def test_a_mail_that_is_not_taken(
    said: dict[str, str], kind: str, retryable: bool, outcome: str | None, judge: Judge
) -> None:
    exc = _sent(**said)
    judge(exc, kind, retryable=retryable, outcome=outcome, stage="notification")


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        ("535 5.7.8 Error: authentication failed", "auth", False),
        ("454 4.7.0 Temporary authentication failure", "server_error", True),
    ],
)
def test_credentials_that_a_mail_server_does_not_take(
    said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_sent(login=True, auth=said), kind, retryable=retryable, outcome="refused")


def test_other_troubles_with_mail(judge: Judge) -> None:
    exc = _sent(login=True, ehlo="250 mail")
    assert isinstance(exc, smtplib.SMTPNotSupportedError)
    judge(exc, "misconfiguration", retryable=False, outcome="refused")
    exc = _sent(login=True, ehlo="250-mail\r\n250 AUTH ODD")
    judge(exc, "misconfiguration", retryable=False, outcome="refused")
    exc = raised(lambda: smtplib.SMTP("127.0.0.1", closed_port(), timeout=5))
    judge(exc, "connection", retryable=True, outcome="refused")
    exc = raised(lambda: smtplib.SMTP().sendmail("a@b", ["c@d"], "x"))
    judge(exc, "bug", retryable=False)
