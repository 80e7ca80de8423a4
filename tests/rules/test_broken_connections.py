"""Connections that really fail: refused, reset, hanging, cut off, not trusted, not resolved."""

from __future__ import annotations

import pytest

from tests.rules.clients import CLIENTS, PATIENCE, aws_client, call, call_service
from tests.rules.conftest import Judge
from tests.rules.servers import closed_port, misbehaving

NOT_BOTOCORE = [name for name in CLIENTS if name != "botocore"]


def _failure(client: str, url: str, timeout: float = PATIENCE) -> Exception:
    with pytest.raises(Exception) as raised:
        call(client, url, timeout=timeout)
    return raised.value


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refused_connection_is_surely_not_done(client: str, judge: Judge) -> None:
    exc = _failure(client, f"http://127.0.0.1:{closed_port()}")
    judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_name_that_is_not_resolved_is_dns(client: str, judge: Judge) -> None:
    exc = _failure(client, "http://nothing.invalid")
    judge(exc, "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_that_is_not_trusted_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("untrusted") as url:
        judge(_failure(client, url), "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_connection_cut_during_the_tls_handshake_is_worth_another_try(
    client: str, judge: Judge
) -> None:
    with misbehaving("close") as url:
        exc = _failure(client, url.replace("http:", "https:"))
        judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_no_tls_where_tls_is_expected_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("not_http") as url:
        exc = _failure(client, url.replace("http:", "https:"))
        judge(exc, "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("how", ["reset", "close", "chunks", "not_http"])
def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    client: str, how: str, judge: Judge
) -> None:
    with misbehaving(how) as url:
        judge(_failure(client, url), "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", NOT_BOTOCORE)  # it takes a body that broke off as an empty one
def test_an_answer_that_breaks_off_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("truncated") as url:
        judge(_failure(client, url), "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_does_not_come_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("hang") as url:
        judge(_failure(client, url, timeout=0.3), "timeout", retryable=True, outcome="open")


@pytest.mark.parametrize("client", NOT_BOTOCORE)  # it does not decompress
def test_an_answer_that_cannot_be_decompressed_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_gzip") as url:
        judge(_failure(client, url), "server_error", retryable=True, outcome="open")


@pytest.mark.parametrize("how", ["bad_json", "page"])
def test_an_answer_of_requests_that_is_no_json_is_not_our_data(how: str, judge: Judge) -> None:
    with misbehaving(how) as url:
        exc = _failure("requests", url)
    judge(exc, "server_error", retryable=True, stage="ingestion", category="infrastructure")
    at_inference = "server_error" if how == "page" else "malformed_output"
    judge(exc, at_inference, retryable=True, stage="inference")


@pytest.mark.parametrize("client", ["httpx", "requests", "openai", "anthropic"])
def test_an_address_without_a_scheme_is_a_wrong_setting(client: str, judge: Judge) -> None:
    exc = _failure(client, "example")
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


def test_a_pool_without_a_free_connection_never_sent_the_request(judge: Judge) -> None:
    import httpx

    with misbehaving("hang") as url:
        limits = httpx.Limits(max_connections=1)
        with httpx.Client(limits=limits, timeout=httpx.Timeout(5, pool=0.05)) as client:
            import threading

            def hold() -> None:
                with pytest.raises(httpx.HTTPError):
                    client.get(url, timeout=httpx.Timeout(0.5, pool=1))

            thread = threading.Thread(target=hold)
            thread.start()
            with pytest.raises(httpx.PoolTimeout) as raised:
                for _ in range(100):
                    client.get(url, timeout=httpx.Timeout(0.02, pool=0.01))
            thread.join()
    judge(raised.value, "resource_exhausted", retryable=True, outcome="refused")


def test_a_bug_below_an_api_connection_error_is_a_bug(judge: Judge) -> None:
    """Anthropic's SDK wraps whatever is raised while sending, also a TypeError of a transport."""
    import anthropic
    import httpx2

    class Broken(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            raise TypeError("handle() takes 1 positional argument but 2 were given")

    with httpx2.Client(transport=Broken()) as http:
        client = anthropic.Anthropic(
            api_key="x", base_url="http://x", max_retries=0, http_client=http
        )
        with pytest.raises(anthropic.APIConnectionError) as raised:
            client.models.list()
    judge(raised.value, "bug", retryable=False)


def test_a_key_with_a_line_break_is_no_connection_problem(judge: Judge) -> None:
    import openai

    with misbehaving("close") as url:
        with openai.OpenAI(api_key="sk-abc\n", base_url=url, max_retries=0) as client:
            with pytest.raises(openai.APIConnectionError) as raised:
                client.models.list()
    judge(raised.value, "invalid_request", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [(429, "rate_limited", "refused"), (503, "overloaded", "open"), (500, "server_error", "open")],
)
def test_retries_that_requests_has_spent_are_told_by_their_status(
    status: int, kind: str, outcome: str, judge: Judge
) -> None:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    from tests.rules.servers import Answer, serving

    with serving() as (url, answer), requests.Session() as session:
        answer(Answer(status, b""))
        retry = Retry(total=2, status_forcelist=[status], backoff_factor=0)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError) as raised:
            session.get(url)
    found = judge(raised.value, kind, retryable=True, outcome=outcome)
    assert found.retries_spent == 2


def test_no_credentials_need_a_person(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nothing")
    client = botocore.session.Session().create_client("dynamodb", region_name="us-east-1")
    with pytest.raises(Exception) as raised:
        client.list_tables()
    client.close()
    judge(raised.value, "auth", retryable=False, outcome="refused")


def test_no_region_is_a_wrong_setting(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "nothing")
    with pytest.raises(Exception) as raised:
        botocore.session.Session().create_client("dynamodb")
    judge(raised.value, "misconfiguration", retryable=False, outcome="refused")


def test_parameters_that_botocore_refuses_are_a_bug(judge: Judge) -> None:
    client = aws_client("dynamodb", "http://127.0.0.1:9")
    with pytest.raises(Exception) as raised:
        client.get_item()
    client.close()
    judge(raised.value, "bug", retryable=False, outcome="refused")


def test_an_s3_body_that_breaks_off_is_worth_another_try(judge: Judge) -> None:
    with misbehaving("truncated") as url, pytest.raises(Exception) as raised:
        call_service("s3", url)
    judge(raised.value, "connection", retryable=True)


def test_a_client_without_a_key_is_a_wrong_setting(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openai

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    with pytest.raises(openai.OpenAIError) as raised:
        openai.OpenAI()
    judge(raised.value, "misconfiguration", retryable=False, outcome="refused")
