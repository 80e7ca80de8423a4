"""The SDKs of model providers and Slack, where what they raise is no HTTP answer."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.libraries.clients.providers import CALLS
from tests.rules.clients import PATIENCE
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving

# Gemini's asynchronous client waits seconds and tries again by itself; aiohttp has its own tests.
CLIENTS = [name for name in CALLS if name != "google-genai, async"]
# Ollama's client turns whatever kept it from connecting into one ConnectionError, and hides the reason.
TELLING = [name for name in CLIENTS if name != "ollama"]
STAINLESS = ["groq", "together"]


def _failure(
    client: str, url: str, *, stream: bool = False, timeout: float = PATIENCE
) -> Exception:
    with pytest.raises(Exception) as raised:
        CALLS[client](url, stream, timeout)
    return raised.value


def _raised(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as raised:
        call()
    return raised.value


# --- connections that really fail


@pytest.mark.parametrize("client", TELLING)
def test_a_refused_connection_is_surely_not_done(client: str, judge: Judge) -> None:
    exc = _failure(client, f"http://127.0.0.1:{closed_port()}")
    judge(exc, "connection", retryable=True, outcome="refused")


def test_an_ollama_that_does_not_run_is_worth_another_try(judge: Judge) -> None:
    exc = _failure("ollama", f"http://127.0.0.1:{closed_port()}")
    assert type(exc) is ConnectionError
    judge(exc, "connection", retryable=True, outcome="refused", category="infrastructure")


def test_an_ollama_that_does_not_run_is_surely_not_done_while_it_streams(judge: Judge) -> None:
    exc = _failure("ollama", f"http://127.0.0.1:{closed_port()}", stream=True)
    judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", TELLING)
def test_a_name_that_is_not_resolved_is_dns(client: str, judge: Judge) -> None:
    judge(_failure(client, "http://nothing.invalid"), "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", TELLING)
def test_a_certificate_that_is_not_trusted_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("untrusted") as url:
        judge(_failure(client, url), "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", TELLING)
def test_no_tls_where_tls_is_expected_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("not_http") as url:
        exc = _failure(client, url.replace("http:", "https:"))
    kind = "misconfiguration" if client == "slack_sdk" else "tls"  # urllib tells more of it
    judge(exc, kind, retryable=False, outcome="refused")


@pytest.mark.parametrize("client", TELLING)
def test_a_connection_cut_during_the_tls_handshake_is_worth_another_try(
    client: str, judge: Judge
) -> None:
    with misbehaving("close") as url:
        judge(_failure(client, url.replace("http:", "https:")), "connection", retryable=True)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("how", ["reset", "close", "chunks", "not_http", "truncated"])
def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    client: str, how: str, judge: Judge
) -> None:
    with misbehaving(how) as url:
        judge(_failure(client, url), "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_does_not_come_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("hang") as url:
        judge(_failure(client, url, timeout=1.0), "timeout", retryable=True, outcome="open")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_cannot_be_decompressed_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_gzip") as url:
        judge(_failure(client, url), "server_error", retryable=True, outcome="open")


@pytest.mark.parametrize("client", ["cohere", "google-genai, interactions", "mistralai"])
def test_an_answer_in_half_is_worth_another_try(client: str, judge: Judge) -> None:
    with misbehaving("bad_json") as url:
        exc = _failure(client, url)
    judge(exc, "malformed_output", retryable=True, outcome="open", stage="inference")


@pytest.mark.parametrize("client", ["slack_sdk", "slack_sdk, async"])
def test_an_answer_of_slack_in_half_is_its_servers_fault(client: str, judge: Judge) -> None:
    with misbehaving("bad_json") as url:
        exc = _failure(client, url)
    judge(exc, "server_error", retryable=True, outcome="open", stage="notification")


@pytest.mark.parametrize("client", ["slack_sdk", "slack_sdk, async"])
def test_a_page_that_calls_itself_json_is_a_wrong_address(client: str, judge: Judge) -> None:
    with misbehaving("page") as url:
        judge(_failure(client, url), "misconfiguration", retryable=False, stage="notification")


# --- streams with errors inside


@contextmanager
def _stream(body: bytes, kind: str = "text/event-stream") -> Iterator[str]:
    with serving() as (url, answer):
        answer(Answer(200, body, {"Content-Type": kind}))
        yield url


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ("an error was encountered while running the model: CUDA error: out of memory",
         "gpu_out_of_memory", False),
        ("llama runner process has terminated: signal: killed", "process_killed", True),
        ("model runner has unexpectedly stopped, this may be due to resource limitations",
         "process_crashed", True),
        ("pull model manifest: file does not exist", "model_not_found", False),
        ("dial tcp: lookup registry.ollama.ai: no such host", "dns", True),
        ("write /models/blobs/sha256-abc-partial: no space left on device", "disk_full", False),
        ("error parsing tool call: raw='{', err=unexpected end of JSON input",
         "malformed_output", True),
        ("an error was encountered while running the model: unexpected EOF", "server_error", True),
    ],
)  # fmt: skip
def test_an_error_in_the_middle_of_ollamas_stream_goes_by_its_words(
    error: str, kind: str, retryable: bool, judge: Judge
) -> None:
    chunk = {"model": "m", "message": {"role": "assistant", "content": "a"}}
    lines = b"\n".join(json.dumps(each).encode() for each in (chunk, {"error": error}))
    with _stream(lines + b"\n", "application/x-ndjson") as url:
        exc = _failure("ollama", url, stream=True)
    judge(
        exc, kind, retryable=retryable, outcome="open" if kind != "model_not_found" else "refused"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            {"message": "Service tier capacity exceeded for this model.", "code": "3505"},
            "overloaded",
        ),
        (
            {"message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
            "rate_limited",
        ),
        ({"message": "Internal server error", "type": "internal_server_error"}, "server_error"),
    ],
)
def test_an_error_in_the_middle_of_mistrals_stream_is_no_wrong_answer_of_the_model(
    error: dict[str, str], kind: str, judge: Judge
) -> None:
    event = json.dumps({"object": "error", **error}).encode()
    with _stream(b"data: " + event + b"\n\n") as url:
        exc = _failure("mistralai", url, stream=True)
    judge(exc, kind, retryable=True, outcome="open", stage="inference")


def test_an_event_of_mistral_that_is_cut_off_is_worth_another_try(judge: Judge) -> None:
    with _stream(b'data: {"choices": [') as url:
        exc = _failure("mistralai", url, stream=True)
    judge(exc, "malformed_output", retryable=True, stage="inference")


def test_a_chunk_of_gemini_that_is_cut_off_is_worth_another_try(judge: Judge) -> None:
    with _stream(b'data: {"candidates": [\n\n') as url:
        exc = _failure("google-genai", url, stream=True)
    judge(exc, "malformed_output", retryable=True, stage="inference")


@pytest.mark.parametrize(
    ("kind_of_answer", "kind", "retryable"),
    [("application/json", "server_error", True), ("text/html", "misconfiguration", False)],
)
def test_a_stream_of_cohere_that_is_none(
    kind_of_answer: str, kind: str, retryable: bool, judge: Judge
) -> None:
    with _stream(b"{}", kind_of_answer) as url:
        judge(_failure("cohere", url, stream=True), kind, retryable=retryable)


@pytest.mark.parametrize("client", STAINLESS)
def test_an_error_in_a_stream_of_which_nothing_is_known_gets_one_careful_try(
    client: str, judge: Judge
) -> None:
    with _stream(b'data: {"error": {"message": "odd", "type": "odd"}}\n\n') as url:
        judge(_failure(client, url, stream=True), "unknown", retryable=True, outcome="open")


@pytest.mark.parametrize("client", STAINLESS)
def test_an_answer_that_was_streamed_already_is_a_mistake(client: str, judge: Judge) -> None:
    import groq
    import together

    sdk = {"groq": groq.Groq, "together": together.Together}[client]
    with serving() as (url, answer):
        answer(Answer(200, b"{}", {"Content-Type": "application/json"}))
        with sdk(api_key="x", base_url=url, max_retries=0) as made:
            asked = made.chat.completions.with_streaming_response
            with asked.create(model="m", messages=[]) as response:
                assert list(response.iter_bytes()) == [b"{}"]
                exc = _raised(response.read)
    judge(exc, "bug", retryable=False)


# --- waits


def test_cohere_says_when_a_limit_ends_as_a_moment(judge: Judge) -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": str(int(time.time()) + 40),
    }
    with serving() as (url, answer):
        answer(Answer(429, b'{"message": "Please wait and try again later"}', headers))
        exc = _failure("cohere", url)
    found = judge(exc, "rate_limited", retryable=True, outcome="refused")
    assert found.retry_after is not None and 30 <= found.retry_after <= 41


# --- clients that are set up wrongly


@pytest.mark.parametrize("client", ["groq", "together", "cohere"])
def test_a_client_without_a_key_is_a_wrong_setting(
    client: str, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cohere
    import groq
    import together

    for name in ("GROQ_API_KEY", "TOGETHER_API_KEY", "CO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    sdk = {"groq": groq.Groq, "together": together.Together, "cohere": cohere.ClientV2}[client]
    judge(_raised(sdk), "misconfiguration", retryable=False, outcome="refused")


@pytest.mark.parametrize("content", [None, ""])
def test_a_service_accounts_token_that_cannot_be_read_needs_a_person(
    content: str | None, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mistralai.client import Mistral
    from mistralai.client._hooks.service_account_auth import (
        MISTRAL_SA_TOKEN_PATH_ENV,
        ServiceAccountTokenError,
    )

    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    monkeypatch.setenv(MISTRAL_SA_TOKEN_PATH_ENV, str(path))
    with Mistral(server_url=f"http://127.0.0.1:{closed_port()}") as client:
        exc = _raised(client.models.list)
    assert isinstance(exc, ServiceAccountTokenError)
    judge(exc, "auth", retryable=False, outcome="refused")


def test_a_socket_of_slack_with_a_buffer_too_small_is_a_wrong_setting(judge: Judge) -> None:
    from slack_sdk.socket_mode import SocketModeClient

    exc = _raised(lambda: SocketModeClient(app_token="xapp-x", receive_buffer_size=8))
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


# --- functions that the model calls


def _call_of_gemini(function: Callable[..., Any], args: dict[str, Any]) -> Exception:
    from google.genai._extra_utils import invoke_function_from_dict_args

    return _raised(lambda: invoke_function_from_dict_args(args, function))


def test_what_a_function_of_gemini_raised_says_what_it_is(judge: Judge) -> None:
    def lost(city: str) -> str:
        raise ConnectionResetError(104, "Connection reset by peer")

    def broken(city: Any) -> Any:
        return city.length

    def odd(city: str) -> str:
        class Odd(Exception):
            pass

        raise Odd("nobody knows")

    judge(_call_of_gemini(lost, {"city": "x"}), "connection", retryable=True)
    judge(_call_of_gemini(broken, {"city": "x"}), "bug", retryable=False)
    judge(_call_of_gemini(odd, {"city": "x"}), "dependency_failed", retryable=True)


def test_arguments_that_the_model_made_up_are_its_own_fault(judge: Judge) -> None:
    def weather(city: int | None) -> str:
        return str(city)

    exc = _call_of_gemini(weather, {"city": "x"})
    judge(exc, "malformed_output", retryable=True, stage="inference", category="model")


def test_what_a_function_of_mistral_raised_says_what_it_is(judge: Judge) -> None:
    from mistralai.client.models import FunctionCallEntry
    from mistralai.extra.run.tools import (
        RunFunction,
        create_function_result,
        create_tool_call,
    )

    def lost(city: str) -> str:
        """Weather.

        :param city: where
        """
        raise TimeoutError("timed out")

    entry = FunctionCallEntry(tool_call_id="1", name="lost", arguments='{"city": "x"}')
    tool = RunFunction(name="lost", callable=lost, tool=create_tool_call(lost))
    exc = _raised(lambda: asyncio.run(create_function_result(entry, tool)))
    judge(exc, "timeout", retryable=True)


def test_a_run_of_mistral_that_is_set_up_wrongly_is_a_mistake(judge: Judge) -> None:
    from mistralai.extra.run.context import RunContext

    judge(_raised(lambda: RunContext(model="m", agent_id="a")), "bug", retryable=False)


# --- Gemini's live API, on a loopback socket


def _closed_live(code: int, reason: str) -> Exception:
    """What the SDK raises where a server on loopback closes the socket so; it insists on TLS."""
    from google import genai
    from websockets.asyncio.server import ServerConnection, serve

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def close(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(code, reason)

    async def talk(trusted: str) -> None:
        async with serve(close, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            options = {
                "base_url": f"https://127.0.0.1:{port}",
                "async_client_args": {"ssl": ssl.create_default_context(cafile=trusted)},
            }
            client = genai.Client(api_key="x", http_options=options)
            async with client.aio.live.connect(model="m", config={}):
                raise AssertionError("the server closed the socket")

    with authority.cert_pem.tempfile() as trusted:
        return _raised(lambda: asyncio.run(talk(trusted)))


@pytest.mark.filterwarnings("ignore:.*experimental.*", "ignore:Inheritance class")
@pytest.mark.parametrize(
    ("code", "reason", "kind", "retryable", "outcome"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "auth", False, "refused"),
        (1007, "Request contains an invalid argument.", "invalid_request", False, "refused"),
        (1008, "models/m is not found for API version v1beta", "model_not_found", False, "refused"),
        (1008, "Operation is not implemented, or supported, or enabled.", "invalid_request", False,
         "refused"),
        (1009, "message too big", "payload_too_large", False, "refused"),
        (1011, "You exceeded your current quota, please check your plan and billing details.",
         "rate_limited", True, "open"),
        (1011, "Your prepayment credits are depleted.", "quota_exhausted", False, "refused"),
        (1011, "Internal error encountered.", "server_error", True, "open"),
        (1000, "", "connection", True, "open"),
    ],
)  # fmt: skip
def test_a_live_session_goes_by_the_code_of_its_closed_socket(
    code: int, reason: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    exc = _closed_live(code, reason)
    judge(exc, kind, retryable=retryable, outcome=outcome, stage="inference")


def test_a_client_without_a_key_is_wrongly_set_up(
    monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    from google import genai

    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    exc = _raised(genai.Client)
    assert type(exc) is ValueError
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


# --- wrong use of the clients


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_stream_without_a_class_for_it_is_a_mistake_in_the_code(sdk: str, judge: Judge) -> None:
    import importlib

    library = importlib.import_module(sdk)
    client = getattr(library, {"openai": "OpenAI", "anthropic": "Anthropic"}[sdk])
    with serving() as (url, answer):
        answer(Answer(200, b"data: {}\n\n", {"Content-Type": "text/event-stream"}))
        with client(api_key="x", base_url=url, max_retries=0) as made:
            made._default_stream_cls = None
            exc = _raised(lambda: made.get("/x", cast_to=object, stream=True))
    assert type(exc).__name__ == "MissingStreamClassError"
    judge(exc, "bug", retryable=False, stage="inference")


def test_a_package_that_an_extra_brings_is_missing(judge: Judge) -> None:
    from anthropic.lib._extras._common import MissingDependencyError

    exc = MissingDependencyError(extra="vertex", library="google-auth")
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


# --- files for fine-tuning


def _together_upload(path: Path) -> Exception:
    import together

    with together.Together(api_key="x", base_url=f"http://127.0.0.1:{closed_port()}") as client:
        return _raised(lambda: client.files.upload(path, purpose="fine-tune", check=False))


def test_a_file_of_a_type_that_together_does_not_take_is_data(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("{}\n")
    judge(
        _together_upload(path), "invalid_value", retryable=False, outcome="refused", category="data"
    )


def test_a_file_that_together_finds_wrong_is_data(judge: Judge, tmp_path: Path) -> None:
    import together

    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a"}\n{"prompt": \n')
    with together.Together(api_key="x", base_url=f"http://127.0.0.1:{closed_port()}") as client:
        exc = _raised(lambda: client.files.upload(path, purpose="fine-tune"))
    judge(exc, "invalid_value", retryable=False, outcome="refused", category="data")


def test_a_file_that_together_has_already_is_a_duplicate(judge: Judge) -> None:
    from together.lib.resources.files import FileAlreadyExistsError

    judge(FileAlreadyExistsError("file-abc"), "duplicate", retryable=False, category="data")


def test_a_realtime_session_of_together_without_an_endpoint_goes_by_its_cause(
    judge: Judge,
) -> None:
    import together

    async def talk() -> None:
        client = together.AsyncTogether(
            api_key="x", base_url=f"http://127.0.0.1:{closed_port()}", max_retries=0
        )
        async with client.beta.realtime.transcription(model="m"):
            raise AssertionError("nobody listens")

    exc = _raised(lambda: asyncio.run(talk()))
    judge(exc, "connection", retryable=True, outcome="refused")


# --- Slack beside its web API


def test_a_token_that_cannot_be_renewed_goes_by_slacks_answer(judge: Judge) -> None:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackTokenRotationError
    from slack_sdk.oauth.installation_store import Bot
    from slack_sdk.oauth.token_rotation import TokenRotator

    bot = Bot(
        bot_token="xoxe.xoxb-x", bot_id="B1", bot_user_id="U1", installed_at=0.0,
        bot_refresh_token="xoxe-x", bot_token_expires_at=1,
    )  # fmt: skip
    for error, kind, retryable in (
        ("invalid_refresh_token", "auth", False),
        ("ratelimited", "rate_limited", True),
        ("internal_error", "server_error", True),
    ):
        with serving() as (url, answer):
            answer(Answer(200, json.dumps({"ok": False, "error": error}).encode()))
            client = WebClient(base_url=f"{url}/api/", retry_handlers=[])
            rotator = TokenRotator(client_id="1", client_secret="2", client=client)
            exc = _raised(lambda made=rotator: made.perform_bot_token_rotation(bot=bot))
        assert isinstance(exc, SlackTokenRotationError)
        judge(exc, kind, retryable=retryable)


def test_an_upload_without_content_is_a_mistake(judge: Judge) -> None:
    from slack_sdk import WebClient

    exc = _raised(lambda: WebClient(token="x").files_upload_v2(channel="C1", title="x"))
    judge(exc, "bug", retryable=False, outcome="refused")


def test_a_block_of_slack_that_is_too_long_is_refused_before_it_is_sent(judge: Judge) -> None:
    from slack_sdk.models.blocks import ButtonElement

    button = ButtonElement(text="x" * 100, action_id="a", value="v")
    judge(_raised(button.to_dict), "invalid_request", retryable=False, outcome="refused")


def test_a_socket_of_slack_that_is_not_one_is_worth_another_try(judge: Judge) -> None:
    from slack_sdk.errors import SlackClientNotConnectedError
    from slack_sdk.socket_mode.builtin.connection import Connection

    connection = Connection(url="ws://127.0.0.1:9", logger=logging.getLogger("slack"))
    exc = _raised(lambda: connection.send("hello"))
    assert isinstance(exc, SlackClientNotConnectedError)
    judge(exc, "connection", retryable=True, outcome="refused")
