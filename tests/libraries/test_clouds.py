"""Hugging Face, litellm, Azure, Google and gRPC: what their libraries really raise, beyond plain answers."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.libraries.clients.clouds import CALLS
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving

pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? .*ReadOnly:UserWarning"),  # litellm and pydantic
    pytest.mark.filterwarnings("ignore:.*Post-Quantum:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Please install grpcio-status"),
]
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it writes of every failed handshake

SHORT = 0.5
"""Seconds that a client waits for a server that never answers."""
PATIENCE = 20.0

CONNECTION, TIMEOUT, SERVER, WRONG = "connection", "timeout", "server_error", "misconfiguration"


def caught(call: Callable[[], Any]) -> BaseException:
    """What ``call`` raises."""
    with pytest.raises(BaseException) as raised:
        call()
    return raised.value


# --- broken connections

BROKEN = {
    "closed": (CONNECTION, True, "refused"),
    "reset": (CONNECTION, True, "open"),
    "close": (CONNECTION, True, "open"),
    "truncated": (CONNECTION, True, "open"),
    "chunks": (CONNECTION, True, "open"),
    "bad_gzip": (SERVER, True, "open"),
    "not_http": (CONNECTION, True, "open"),
    "hang": (TIMEOUT, True, "open"),
}
NETWORK_CLIENTS = [
    *("huggingface_hub", "huggingface_hub, generation", "huggingface_hub, generation, async"),
    *("huggingface_hub, hub", "litellm", "litellm, async", "litellm, anthropic"),
    *("litellm, gemini", "litellm, hosted_vllm", "azure", "azure, async", "azure, core", "google"),
    "google, token",
]
# azure-core hands aiohttp's bare zlib.error on; google-auth tries again itself and takes no timeout
NOT_SHOWN = {("azure, async", "bad_gzip"), ("google, token", "hang")}
BROKEN_CLIENTS = [
    (client, how) for client in NETWORK_CLIENTS for how in BROKEN if (client, how) not in NOT_SHOWN
]


@pytest.mark.parametrize(("client", "how"), BROKEN_CLIENTS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what was cut off is closed by nobody
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broken_connection_is_known_and_tried_again(client: str, how: str, judge: Judge) -> None:
    kind, retryable, outcome = BROKEN[how]
    if how == "closed":
        exc = caught(lambda: CALLS[client](f"http://127.0.0.1:{closed_port()}", False, PATIENCE))
    else:
        with misbehaving(how) as url:
            patience = SHORT if how == "hang" else PATIENCE
            exc = caught(lambda: CALLS[client](url, False, patience))
    judge(exc, kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize("client", ["huggingface_hub, hub", "litellm", "litellm, anthropic"])
def test_a_certificate_that_nobody_knows_is_not_tried_again(client: str, judge: Judge) -> None:
    """litellm calls it an InternalServerError; the certificate stays wrong all the same."""
    with misbehaving("untrusted") as url:
        exc = caught(lambda: CALLS[client](url, False, PATIENCE))
    judge(exc, "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", ["azure", "azure, async", "azure, core"])
def test_azure_does_not_try_a_wrong_certificate_again(client: str, judge: Judge) -> None:
    with misbehaving("untrusted") as url:
        exc = caught(lambda: CALLS[client](url, False, PATIENCE))
    judge(exc, "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", ["azure", "azure, core", "litellm, anthropic"])
def test_an_answer_that_is_cut_off_in_its_json_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_json") as url:
        exc = caught(lambda: CALLS[client](url, False, PATIENCE))
    judge(exc, SERVER, retryable=True, outcome="open")


def test_a_web_page_behind_litellms_address_is_a_wrong_address(judge: Judge) -> None:
    with misbehaving("page") as url:
        exc = caught(lambda: CALLS["litellm, anthropic"](url, False, PATIENCE))
    judge(exc, WRONG, retryable=False)


# --- Hugging Face


def _download(folder: Path, **options: Any) -> Callable[[], Any]:
    from huggingface_hub import hf_hub_download

    return lambda: hf_hub_download(
        "org/model", "config.json", cache_dir=folder, token=False, **options
    )


def _snapshot(folder: Path, **options: Any) -> Callable[[], Any]:
    from huggingface_hub import snapshot_download

    return lambda: snapshot_download("org/model", cache_dir=folder, token=False, **options)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A download tries six times by itself, and waits 23 seconds in between."""
    from types import SimpleNamespace

    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{closed_port()}"


@pytest.mark.usefixtures("no_waiting")
def test_a_file_that_is_not_found_because_the_network_is_away_is_tried_again(
    tmp_path: Path, nowhere: str, judge: Judge
) -> None:
    """It is a FileNotFoundError; what it hides decides."""
    exc = caught(_download(tmp_path, endpoint=nowhere))
    assert isinstance(exc, FileNotFoundError)
    judge(exc, CONNECTION, retryable=True, outcome="refused")
    exc = caught(_snapshot(tmp_path, endpoint=nowhere))
    judge(exc, CONNECTION, retryable=True, outcome="refused")
    exc = caught(_download(tmp_path, endpoint=nowhere, force_download=True))
    assert type(exc) is ValueError
    judge(exc, CONNECTION, retryable=True, outcome="refused")


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_is_down_is_tried_again(tmp_path: Path, judge: Judge) -> None:
    with serving() as (url, answer):
        answer(Answer(503, b"<html>"))
        exc = caught(_download(tmp_path, endpoint=url))
    judge(exc, "overloaded", retryable=True)


def test_what_was_asked_for_from_the_cache_alone_is_not_tried_again(
    tmp_path: Path, judge: Judge
) -> None:
    for call in (_download, _snapshot):
        exc = caught(call(tmp_path, local_files_only=True))
        judge(exc, "not_found", retryable=False, outcome="refused")


@pytest.mark.usefixtures("no_waiting")
def test_offline_mode_is_a_setting_and_no_broken_connection(
    tmp_path: Path, nowhere: str, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    exc = caught(lambda: HfApi(endpoint=nowhere).model_info("org/model"))
    assert isinstance(exc, ConnectionError)
    for each in (
        exc,
        caught(_download(tmp_path, endpoint=nowhere)),
        caught(_snapshot(tmp_path, endpoint=nowhere)),
    ):
        judge(each, WRONG, retryable=False, outcome="refused")


@pytest.mark.parametrize("headers", [{}, {"X-Repo-Commit": "a" * 40}])
def test_an_answer_that_is_not_the_hubs_is_a_wrong_address(
    headers: dict[str, str], tmp_path: Path, judge: Judge
) -> None:
    """A proxy, a mirror, HF_ENDPOINT: the library says so itself."""
    with serving() as (url, answer):
        answer(Answer(200, b"<html>", headers))
        exc = caught(_download(tmp_path, endpoint=url))
    judge(exc, WRONG, retryable=False)


@pytest.mark.usefixtures("no_waiting")
def test_a_snapshot_that_is_not_whole_is_fetched_again_once_the_network_is_back(
    tmp_path: Path, nowhere: str, judge: Judge
) -> None:
    from huggingface_hub.errors import IncompleteSnapshotError

    cause = caught(_download(tmp_path, endpoint=nowhere)).__cause__
    exc = IncompleteSnapshotError("The cached snapshot is incomplete", snapshot_path=str(tmp_path))
    exc.__cause__ = cause
    judge(exc, CONNECTION, retryable=True, outcome="refused")


@pytest.mark.usefixtures("no_waiting")
def test_a_revision_that_cannot_be_resolved_is_judged_by_why(
    tmp_path: Path, nowhere: str, judge: Judge
) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=nowhere, token=False)
    exc = caught(lambda: api.resolve_revision("org/model", cache_dir=tmp_path))
    judge(exc, CONNECTION, retryable=True, outcome="refused")
    exc = caught(
        lambda: api.resolve_revision("org/model", cache_dir=tmp_path, local_files_only=True)
    )
    judge(exc, WRONG, retryable=False)
    exc = caught(_snapshot(tmp_path, endpoint=nowhere, dry_run=True))
    judge(exc, CONNECTION, retryable=True, outcome="refused")


def test_files_that_are_damaged_or_not_what_they_seem_are_named_so(
    tmp_path: Path, judge: Judge
) -> None:
    from huggingface_hub import (
        export_entries_as_dduf,
        parse_local_safetensors_file_metadata,
        read_dduf_file,
    )

    weights = tmp_path / "model.safetensors"
    for raw in (b"<html>not weights</html>", b"\1", struct.pack("<Q", 3) + b'{"a'):
        weights.write_bytes(raw)
        exc = caught(lambda: parse_local_safetensors_file_metadata(weights))
        judge(exc, "corrupt_file", retryable=False)
    archive = tmp_path / "model.dduf"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("model_index.json", "{}")
    exc = caught(lambda: read_dduf_file(archive))
    judge(exc, "corrupt_file", retryable=False)
    exc = caught(lambda: export_entries_as_dduf(tmp_path / "new.dduf", [("a/b/c.txt", b"")]))
    judge(exc, "invalid_value", retryable=False)


def test_a_damaged_cache_is_a_damaged_file(tmp_path: Path, judge: Judge) -> None:
    from huggingface_hub import scan_cache_dir

    judge(caught(lambda: scan_cache_dir(tmp_path / "none")), "not_found", retryable=False)
    (tmp_path / "models--org--model").mkdir()
    (warning,) = scan_cache_dir(tmp_path).warnings
    judge(warning, "corrupt_file", retryable=False)


def test_wrong_names_are_mistakes_in_the_code(judge: Judge) -> None:
    from huggingface_hub import hf_hub_download, parse_hf_uri

    judge(caught(lambda: hf_hub_download("a/b/c", "x")), "bug", retryable=False, outcome="refused")
    judge(caught(lambda: parse_hf_uri("hf://")), "bug", retryable=False, outcome="refused")


def test_a_token_that_is_not_there_is_missing_credentials(
    tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi, constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    exc = caught(lambda: HfApi(token=True).whoami())
    assert isinstance(exc, OSError)
    judge(exc, "auth", retryable=False, outcome="refused")


def test_values_that_a_strict_dataclass_refuses_are_invalid_values(judge: Judge) -> None:
    from dataclasses import make_dataclass

    from huggingface_hub.dataclasses import strict

    config = strict(make_dataclass("Config", [("layers", int)]))
    judge(caught(lambda: config(layers="x")), "invalid_value", retryable=False)
    exc = caught(lambda: strict(type("Config", (), {})))
    judge(exc, "bug", retryable=False)


def _endpoint(state: str, api: str) -> Any:
    from huggingface_hub import HfApi, InferenceEndpoint

    raw = {
        "name": "e",
        "model": {
            "repository": "org/model",
            "framework": "pytorch",
            "revision": "main",
            "task": "text-generation",
            "image": {"huggingface": {}},
        },
        "status": {
            "state": state,
            "createdAt": "2026-01-01T00:00:00Z",
            "updatedAt": "2026-01-01T00:00:00Z",
        },
        "type": "protected",
        "healthRoute": "/health",
        "compute": {},
        "provider": {},
    }
    return InferenceEndpoint.from_raw(raw, namespace="n", token="x", api=HfApi(endpoint=api))


def test_an_endpoint_is_waited_for_until_it_has_failed(nowhere: str, judge: Judge) -> None:
    exc = caught(lambda: _endpoint("pending", nowhere).client)
    judge(exc, "model_not_ready", retryable=True, outcome="refused")
    exc = caught(lambda: _endpoint("pending", nowhere).wait(timeout=0))
    judge(exc, "model_not_ready", retryable=True, outcome="refused")
    exc = caught(lambda: _endpoint("failed", nowhere).wait())
    judge(exc, "dependency_failed", retryable=False)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("expired_token", "auth_expired"),
        ("access_denied", "auth"),
    ],
)
def test_a_sign_in_that_fails_needs_a_person(error: str, kind: str, judge: Judge) -> None:
    from huggingface_hub.errors import DeviceCodeError

    judge(DeviceCodeError("Sign-in failed", error_code=error), kind, retryable=False)


def test_a_sandbox_that_is_lost_is_tried_again_and_a_program_that_fails_is_not(
    judge: Judge,
) -> None:
    from types import SimpleNamespace

    from huggingface_hub.errors import SandboxCommandError, SandboxError

    lost = SandboxError("connection lost while running command")
    judge(lost, CONNECTION, retryable=True, outcome="open")
    late = SandboxError("Sandbox job abc did not become ready within 120s.")
    judge(late, TIMEOUT, retryable=True)
    gone = SandboxError("Sandbox API error (404): no such file", status_code=404)
    judge(gone, "not_found", retryable=False)
    result = SimpleNamespace(exit_code=1, signal=None, timed_out=False, stderr="boom")
    judge(SandboxCommandError("false", result), "dependency_failed", retryable=False)


# --- litellm

MESSAGES = [{"role": "user", "content": "x"}]


def _completion(model: str, **options: Any) -> Callable[[], Any]:
    import litellm

    litellm.suppress_debug_info = True
    return lambda: litellm.completion(model=model, messages=MESSAGES, max_retries=0, **options)


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("model", ["openai/m", "anthropic/claude-sonnet-4-5"])
def test_a_key_that_is_not_there_is_missing_credentials_and_no_500(
    model: str, judge: Judge
) -> None:
    """For OpenAI litellm calls it an InternalServerError."""
    judge(caught(_completion(model)), "auth", retryable=False, outcome="refused")


def test_a_name_without_a_provider_is_wrongly_set_up(judge: Judge) -> None:
    import litellm

    judge(caught(_completion("no-provider-of-this")), WRONG, retryable=False, outcome="refused")
    exc = caught(lambda: litellm.get_model_info("no-model-of-this"))
    judge(exc, WRONG, retryable=False)


def test_a_parameter_that_the_provider_has_not_is_a_wrong_request(judge: Judge) -> None:
    call = _completion("anthropic/claude-sonnet-4-5", api_key="x", logit_bias={"1": 1})
    judge(caught(call), "invalid_request", retryable=False, outcome="refused")


@pytest.mark.parametrize("mistake", [TypeError("'NoneType' object"), KeyError("choices")])
def test_a_mistake_in_the_code_is_no_broken_connection(
    mistake: Exception, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """litellm makes an APIConnectionError with status 500 of whatever it does not know."""
    import litellm

    class Mine(litellm.CustomLLM):
        def completion(self, *args: Any, **options: Any) -> Any:
            raise mistake

    monkeypatch.setattr(
        litellm, "custom_provider_map", [{"provider": "mine", "custom_handler": Mine()}]
    )
    exc = caught(_completion("mine/m"))
    assert type(exc) is litellm.APIConnectionError
    judge(exc, "bug", retryable=False)


def test_a_budget_of_ones_own_is_kept(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm

    monkeypatch.setattr(litellm, "max_budget", 0.01)
    monkeypatch.setattr(litellm, "_current_cost", 1.0)
    exc = caught(_completion("openai/m", api_key="x"))
    judge(exc, "quota_exhausted", retryable=False, outcome="refused")
    # all calls share a budget, and one agent's rounds are its own
    for limit, kind in (("budget", "quota_exhausted"), ("max_iterations", "budget_exceeded")):
        exc = litellm.RateLimitError("over", "openai", "m", rate_limit_type=limit)
        judge(exc, kind, retryable=False, outcome="refused")


def _router(urls: list[str], **options: Any) -> Any:
    import litellm

    litellm.suppress_debug_info = True
    return litellm.Router(
        model_list=[
            {
                "model_name": f"m{group}" if options.get("fallbacks") else "m",
                "litellm_params": {
                    "model": "openai/x",
                    "api_base": url,
                    "api_key": "x",
                    "max_retries": 0,
                },
            }
            for group, url in enumerate(urls)
        ],
        num_retries=0,
        **options,
    )


def test_a_router_whose_deployments_all_rest_says_how_long(nowhere: str, judge: Judge) -> None:
    """It is a ValueError."""
    router = _router([nowhere, nowhere], allowed_fails=0, cooldown_time=30)
    for _ in range(3):
        exc = caught(lambda: router.completion(model="m", messages=MESSAGES))
    assert isinstance(exc, ValueError)
    found = judge(exc, "rate_limited", retryable=True, outcome="refused")
    assert found.retry_after == 30.0


def test_a_model_that_the_router_has_not_is_not_found(nowhere: str, judge: Judge) -> None:
    exc = caught(lambda: _router([nowhere]).completion(model="other", messages=MESSAGES))
    judge(exc, "model_not_found", retryable=False, outcome="refused")


def test_a_spent_quota_stays_one_behind_a_router_with_fallbacks(judge: Judge) -> None:
    error = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
    with serving() as (url, answer):
        body = json.dumps({"error": error}).encode()
        answer(Answer(429, body, {"Content-Type": "application/json"}))
        router = _router([url, url], fallbacks=[{"m0": ["m1"]}])
        exc = caught(lambda: router.completion(model="m0", messages=MESSAGES))
    judge(exc, "quota_exhausted", retryable=False, outcome="refused")


def test_an_answer_that_breaks_off_in_the_middle_is_tried_again(judge: Judge) -> None:
    begun = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}],
    }
    error = {"error": {"message": "The server had an error", "type": "server_error"}}
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in (begun, error)).encode()
    with serving() as (url, answer):
        answer(Answer(200, body, {"Content-Type": "text/event-stream"}))
        call = _completion("openai/m", api_base=url, api_key="x", stream=True)
        exc = caught(lambda: list(call()))
        found = judge(exc, SERVER, retryable=True, outcome="open")
        assert type(exc).__name__ == "MidStreamFallbackError"
        assert found.type == "openai.APIError"


def test_an_answer_that_breaks_a_schema_is_asked_for_again(judge: Judge) -> None:
    from litellm.litellm_core_utils.json_validation_rule import validate_schema

    exc = caught(lambda: validate_schema({"type": "object", "required": ["a"]}, "{}"))
    judge(exc, "malformed_output", retryable=True)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, "not_found", False),
        (403, "invalid_request", False),
        (503, "dependency_failed", True),
        (429, "dependency_failed", True),
    ],
)
def test_an_image_that_litellm_cannot_fetch_is_judged_by_its_hosts_answer(
    status: int, kind: str, retryable: bool, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    import litellm
    from litellm.litellm_core_utils.prompt_templates.image_handling import convert_url_to_base64

    monkeypatch.setattr(litellm, "user_url_validation", False)
    with serving() as (url, answer):
        answer(Answer(status, b"x"))
        exc = caught(lambda: convert_url_to_base64(f"{url}/{status}.png"))
    judge(exc, kind, retryable=retryable, outcome="refused")


def test_a_guardrails_verdict_is_kept_and_its_own_failure_is_not_one(judge: Judge) -> None:
    from litellm.exceptions import BlockedPiiEntityError, GuardrailRaisedException

    verdict = GuardrailRaisedException("g", "blocked", blocked_content=True)
    verdict.__context__ = TimeoutError("timed out")
    judge(verdict, "content_filtered", retryable=False, outcome="refused")
    judge(GuardrailRaisedException("g", "blocked"), "content_filtered", retryable=False)
    unreachable = GuardrailRaisedException("g", "no answer")
    unreachable.__cause__ = ConnectionRefusedError(111, "Connection refused")
    judge(unreachable, CONNECTION, retryable=True)
    judge(BlockedPiiEntityError("EMAIL", "g"), "content_filtered", retryable=False)


def test_a_payment_that_is_due_is_no_wrong_request(judge: Judge) -> None:
    """It is a BadRequestError."""
    from litellm.exceptions import PaymentRequiredError

    exc = PaymentRequiredError("This request requires more credits", "m", "openrouter")
    judge(exc, "quota_exhausted", retryable=False, outcome="refused")


# --- Azure


def _pipeline(url: str, **options: Any) -> Any:
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest

    with PipelineClient("", retry_total=0, **options) as client:
        return client.send_request(HttpRequest("GET", url))


def test_an_address_that_is_none_is_wrongly_set_up(judge: Judge) -> None:
    """azure-core makes a ServiceResponseError of it, as if something had been sent."""
    exc = caught(lambda: _pipeline("nothing/at/all"))
    judge(exc, WRONG, retryable=False)


def test_a_token_without_tls_is_wrongly_set_up(nowhere: str, judge: Judge) -> None:
    from azure.core.credentials import AccessToken
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy

    class Token:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken("x", 2_000_000_000)

    policy = BearerTokenCredentialPolicy(Token(), "scope")
    exc = caught(lambda: _pipeline(nowhere, policies=[policy]))
    judge(exc, WRONG, retryable=False, outcome="refused")


def test_redirects_without_end_are_wrongly_set_up(judge: Judge) -> None:
    from azure.core.pipeline.policies import RedirectPolicy

    with serving() as (url, answer):
        answer(Answer(302, b"", {"Location": "/again"}))
        exc = caught(lambda: _pipeline(url, policies=[RedirectPolicy()]))
    judge(exc, WRONG, retryable=False, outcome="refused")


def test_a_stream_that_is_read_twice_is_a_mistake_in_the_code(judge: Judge) -> None:
    from azure.core import PipelineClient
    from azure.core.rest import HttpRequest

    with serving() as (url, answer), PipelineClient(url, retry_total=0) as client:
        answer(Answer(200, b"{}"))
        response = client.send_request(HttpRequest("GET", url), stream=True)
        unread = caught(lambda: response.content)
        list(response.iter_bytes())
        consumed = caught(lambda: list(response.iter_bytes()))
        response = client.send_request(HttpRequest("GET", url), stream=True)
        response.close()
        closed = caught(lambda: list(response.iter_bytes()))
    for exc in (unread, consumed, closed):
        judge(exc, "bug", retryable=False)


def test_what_is_no_json_is_judged_by_its_status_first(judge: Judge) -> None:
    for status, kind, retryable in ((200, SERVER, True), (403, "invalid_request", False)):
        with serving() as (url, answer):
            answer(Answer(status, b'{"a": ', {"Content-Type": "application/json"}))
            exc = caught(lambda: CALLS["azure"](url, False, PATIENCE))
        judge(exc, kind, retryable=retryable)


def test_a_content_type_that_cannot_be_read_is_a_wrong_address(judge: Judge) -> None:
    from azure.core.pipeline.policies import ContentDecodePolicy

    exc = caught(lambda: ContentDecodePolicy.deserialize_from_text("x", "image/png"))
    judge(exc, WRONG, retryable=False)


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (200, b'{"status": "Failed"}', "dependency_failed", False),
        (200, b"{}", SERVER, True),
        (404, b"{}", "not_found", False),
        (503, b"{}", "overloaded", True),
    ],
)
def test_a_long_operation_is_judged_by_how_it_ends(
    status: int, body: bytes, kind: str, retryable: bool, judge: Judge
) -> None:
    from azure.core import PipelineClient
    from azure.core.polling import LROPoller
    from azure.core.polling.base_polling import LROBasePolling
    from azure.core.rest import HttpRequest

    headers = {"Content-Type": "application/json"}
    with serving() as (url, answer), PipelineClient(url, retry_total=0) as client:
        answer(Answer(202, b"{}", {**headers, "Operation-Location": f"{url}/operation"}))
        initial = client.send_request(
            HttpRequest("PUT", url, json={}), _return_pipeline_response=True
        )
        answer(Answer(status, body, headers))
        method = LROBasePolling(timeout=0)
        poller = LROPoller(client, initial, lambda response: response, method)
        exc = caught(poller.result)
    judge(exc, kind, retryable=retryable)


def test_what_cannot_be_written_or_read_is_told_apart(judge: Judge) -> None:
    from azure.ai.inference._serialization import Deserializer, Serializer

    exc = caught(lambda: Serializer().body(object(), "int"))
    assert isinstance(exc, ValueError)
    judge(exc, "bug", retryable=False, outcome="refused")
    exc = caught(lambda: Deserializer().deserialize_data("x", "iso-8601"))
    judge(exc, "schema_mismatch", retryable=False, outcome="open")


def test_a_template_that_cannot_be_filled_is_a_mistake_in_the_code(judge: Judge) -> None:
    from azure.ai.inference.prompts import PromptTemplate

    exc = caught(lambda: PromptTemplate.from_string("{{#a}}").create_messages())
    judge(exc, "bug", retryable=False)


# --- gRPC


class _Handlers:
    """A server's methods: one for each status, and some that misbehave."""

    def service(self, details: Any) -> Any:
        import grpc

        name = details.method.rsplit("/", 1)[-1]

        def stream(request: bytes, context: Any) -> Iterator[bytes]:
            yield b"1"
            time.sleep(0.5)
            yield b"2"

        def slow(request: bytes, context: Any) -> bytes:
            time.sleep(0.5)
            return b""

        def crash(request: bytes, context: Any) -> bytes:
            raise ZeroDivisionError("division by zero")

        def abort(request: bytes, context: Any) -> None:
            context.abort(grpc.StatusCode[name], "because")

        if name == "stream":
            return grpc.unary_stream_rpc_method_handler(stream)
        if name in grpc.StatusCode.__members__:
            return grpc.unary_unary_rpc_method_handler(abort)
        methods = {
            "slow": slow,
            "crash": crash,
            "big": lambda request, context: b"x" * 5_000_000,
            "ok": lambda request, context: b"ok",
        }
        return grpc.unary_unary_rpc_method_handler(methods[name]) if name in methods else None


def _serve(credentials: Any = None) -> tuple[Any, str]:
    import grpc

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[_Handlers()])
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def grpc_server() -> Iterator[str]:
    server, address = _serve()
    yield address
    server.stop(0).wait()


@pytest.fixture
def channel(grpc_server: str) -> Iterator[Any]:
    import grpc

    with grpc.insecure_channel(grpc_server) as found:
        yield found


STATUSES = {
    "CANCELLED": (CONNECTION, True, "open"),
    "UNKNOWN": (SERVER, True, "open"),
    "INVALID_ARGUMENT": ("invalid_request", False, "refused"),
    "DEADLINE_EXCEEDED": (TIMEOUT, True, "open"),
    "NOT_FOUND": ("not_found", False, "refused"),
    "ALREADY_EXISTS": ("duplicate", False, "refused"),
    "PERMISSION_DENIED": ("permission", False, "refused"),
    "RESOURCE_EXHAUSTED": ("rate_limited", True, "refused"),
    "FAILED_PRECONDITION": ("conflict", False, "refused"),
    "ABORTED": ("transaction_conflict", True, "refused"),
    "OUT_OF_RANGE": ("invalid_request", False, "refused"),
    "UNIMPLEMENTED": ("invalid_request", False, "refused"),
    "INTERNAL": (SERVER, True, "open"),
    "UNAVAILABLE": (CONNECTION, True, "open"),
    "DATA_LOSS": ("storage_fault", False, "open"),
    "UNAUTHENTICATED": ("auth", False, "refused"),
}
# What google-api-core makes of them: it knows the status of HTTP, too.
OF_GOOGLE = {
    "FAILED_PRECONDITION": ("invalid_request", False, "refused"),
    "UNAVAILABLE": ("overloaded", True, "open"),
}


def test_there_is_a_case_for_every_status() -> None:
    import grpc

    assert set(STATUSES) == set(grpc.StatusCode.__members__) - {"OK"}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_grpc_is_known(status: str, channel: Any, judge: Judge) -> None:
    kind, retryable, outcome = STATUSES[status]
    exc = caught(lambda: channel.unary_unary(f"/s/{status}")(b""))
    judge(exc, kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_grpc_is_known_with_asyncio(
    status: str, grpc_server: str, judge: Judge
) -> None:
    import grpc

    async def call() -> Any:
        async with grpc.aio.insecure_channel(grpc_server) as channel:
            return await channel.unary_unary(f"/s/{status}")(b"")

    kind, retryable, outcome = STATUSES[status]
    exc = caught(lambda: asyncio.run(call()))
    assert isinstance(exc, grpc.aio.AioRpcError)
    judge(exc, kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_grpc_is_known_behind_google_api_core(
    status: str, channel: Any, judge: Judge
) -> None:
    from google.api_core.grpc_helpers import wrap_errors

    kind, retryable, outcome = OF_GOOGLE.get(status, STATUSES[status])
    exc = caught(lambda: wrap_errors(channel.unary_unary(f"/s/{status}"))(b""))
    found = judge(exc, kind, retryable=retryable, outcome=outcome)
    assert found.type.startswith("google.api_core.")


def test_what_a_servers_own_code_raises_is_the_servers_fault(channel: Any, judge: Judge) -> None:
    judge(caught(lambda: channel.unary_unary("/s/crash")(b"")), SERVER, retryable=True)


def test_a_method_that_the_server_has_not_is_a_wrong_request(channel: Any, judge: Judge) -> None:
    exc = caught(lambda: channel.unary_unary("/s/nothing")(b""))
    judge(exc, "invalid_request", retryable=False, outcome="refused")


def test_a_message_that_is_too_large_is_no_rate_limit(
    grpc_server: str, channel: Any, judge: Judge
) -> None:
    import grpc
    from google.api_core.grpc_helpers import wrap_errors

    for call in (channel.unary_unary("/s/big"), wrap_errors(channel.unary_unary("/s/big"))):
        exc = caught(partial(call, b""))
        judge(exc, "payload_too_large", retryable=False, outcome="open")
    exc = caught(lambda: channel.unary_unary("/s/ok")(b"x" * 5_000_000))
    judge(exc, "payload_too_large", retryable=False, outcome="refused")
    options = [("grpc.max_send_message_length", 10)]
    with grpc.insecure_channel(grpc_server, options=options) as small:
        exc = caught(lambda: small.unary_unary("/s/ok")(b"x" * 100))
    judge(exc, "payload_too_large", retryable=False, outcome="refused")


def test_what_cannot_be_packed_or_unpacked_is_no_fault_of_the_server(
    channel: Any, judge: Judge
) -> None:
    """Both come as INTERNAL."""

    def fail(value: Any) -> Any:
        raise ValueError(value)

    exc = caught(lambda: channel.unary_unary("/s/ok", request_serializer=fail)(b""))
    judge(exc, "bug", retryable=False, outcome="refused")
    exc = caught(lambda: channel.unary_unary("/s/ok", response_deserializer=fail)(b""))
    judge(exc, "schema_mismatch", retryable=False, outcome="open")


def test_waiting_and_cancelling_on_this_side_is_known(
    grpc_server: str, channel: Any, judge: Judge
) -> None:
    import grpc

    exc = caught(lambda: channel.unary_unary("/s/slow")(b"", timeout=0.1))
    judge(exc, TIMEOUT, retryable=True, outcome="open")
    future = channel.unary_unary("/s/slow").future(b"")
    judge(caught(lambda: future.result(timeout=0.05)), TIMEOUT, retryable=True, outcome="open")
    future.cancel()
    judge(caught(future.result), "cancelled", retryable=False)
    stream = channel.unary_stream("/s/stream")(b"")
    next(stream)
    stream.cancel()
    judge(caught(lambda: next(stream)), "cancelled", retryable=False)
    other = grpc.insecure_channel(grpc_server)
    stream = other.unary_stream("/s/stream")(b"")
    next(stream)
    other.close()
    judge(caught(lambda: next(stream)), "cancelled", retryable=False)


def test_a_channel_of_asyncio_that_is_closed_is_a_mistake_in_the_code(
    grpc_server: str, judge: Judge
) -> None:
    import grpc

    async def call() -> Any:
        channel = grpc.aio.insecure_channel(grpc_server)
        await channel.close()
        return await channel.unary_unary("/s/ok")(b"")

    judge(caught(lambda: asyncio.run(call())), "bug", retryable=False)


def _ask(address: str, credentials: Any = None, name: str | None = None) -> Callable[[], Any]:
    """One call; ``name`` is the server's, where it is not asked for by its name.

    A name would be tried at all of its addresses, and only the last one's error is told.
    """
    import grpc

    options = [("grpc.ssl_target_name_override", name)] if name else []

    def call() -> Any:
        channel = (
            grpc.insecure_channel(address)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        with channel:
            return channel.unary_unary("/s/ok")(b"", timeout=PATIENCE)

    return call


def test_a_port_that_nobody_listens_on_is_tried_again_and_nothing_was_sent(judge: Judge) -> None:
    from google.api_core.grpc_helpers import wrap_errors

    call = _ask(f"127.0.0.1:{closed_port()}")
    judge(caught(call), CONNECTION, retryable=True, outcome="refused")
    exc = caught(wrap_errors(call))
    judge(exc, CONNECTION, retryable=True, outcome="refused")


def test_a_name_that_cannot_be_resolved_is_told_from_a_server_that_is_away(judge: Judge) -> None:
    judge(caught(_ask("nothing.invalid:1")), "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("how", ["reset", "close", "not_http", "page"])
def test_what_is_no_grpc_server_is_never_sent_anything(how: str, judge: Judge) -> None:
    with misbehaving(how) as url:
        exc = caught(_ask(url.removeprefix("http://")))
    judge(exc, CONNECTION, retryable=True, outcome="refused")


def test_a_server_that_stops_in_the_middle_leaves_it_open(judge: Judge) -> None:
    import grpc

    server, address = _serve()
    with grpc.insecure_channel(address) as channel:
        future = channel.unary_unary("/s/slow").future(b"")
        time.sleep(0.2)  # the call has arrived
        server.stop(0)
        exc = caught(future.result)
    judge(exc, CONNECTION, retryable=True, outcome="open")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_server(authority: trustme.CA) -> Iterator[str]:
    import grpc

    issued = authority.issue_cert("localhost")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    server, address = _serve(grpc.ssl_server_credentials([pair]))
    yield address
    server.stop(0).wait()


def test_a_wrong_certificate_is_no_server_that_is_away(
    tls_server: str, grpc_server: str, authority: trustme.CA, judge: Judge
) -> None:
    """All of it comes as UNAVAILABLE."""
    import grpc
    from google.api_core.grpc_helpers import wrap_errors

    unknown = _ask(tls_server, grpc.ssl_channel_credentials(), "localhost")
    known = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    for call in (unknown, wrap_errors(unknown), _ask(tls_server, known)):
        judge(caught(call), "tls", retryable=False, outcome="refused")
    judge(caught(_ask(grpc_server, known)), WRONG, retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("reason", "kind", "retryable"),
    [
        ("('invalid_grant: Bad Request', {'error': 'invalid_grant'})", "auth", False),
        ("HTTPSConnectionPool(host='x', port=443): Max retries", "dependency_failed", True),
    ],
)
def test_a_plug_in_without_a_token_is_no_server_that_is_away(
    reason: str,
    kind: str,
    retryable: bool,
    tls_server: str,
    authority: trustme.CA,
    judge: Judge,
) -> None:
    import grpc

    class Plugin(grpc.AuthMetadataPlugin):
        def __call__(self, context: Any, callback: Any) -> None:
            raise RuntimeError(reason)

    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(authority.cert_pem.bytes()),
        grpc.metadata_call_credentials(Plugin()),
    )
    call = _ask(tls_server, credentials, "localhost")
    judge(caught(call), kind, retryable=retryable, outcome="refused")


# --- Google


def test_retries_that_are_used_up_are_judged_by_the_last_failure(
    channel: Any, judge: Judge
) -> None:
    from google.api_core.grpc_helpers import wrap_errors
    from google.api_core.retry import Retry

    call = Retry(initial=0.01, maximum=0.01, timeout=0.1)(
        wrap_errors(channel.unary_unary("/s/UNAVAILABLE"))
    )
    exc = caught(lambda: call(b""))
    assert type(exc).__name__ == "RetryError"
    judge(exc, "overloaded", retryable=True)
    bare = type(exc)("Timeout of 60.0s exceeded", None)
    judge(bare, "retries_exhausted", retryable=False)


def test_credentials_that_are_not_there_or_not_whole_are_told_apart(
    tmp_path: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2.service_account import Credentials

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    judge(caught(google.auth.default), "auth", retryable=False, outcome="refused")
    exc = caught(lambda: Credentials.from_service_account_info({"client_email": "a@b"}))
    assert isinstance(exc, ValueError)
    judge(exc, WRONG, retryable=False, outcome="refused")
    exc = caught(lambda: AnonymousCredentials().refresh(None))
    judge(exc, WRONG, retryable=False, outcome="refused")


def test_a_token_server_that_is_away_is_tried_again(nowhere: str, judge: Judge) -> None:
    """A RefreshError or a TransportError by its class, a refused connection beneath."""
    from google.auth.exceptions import RefreshError

    cause = caught(lambda: CALLS["google, token"](nowhere, False, PATIENCE))
    judge(cause, CONNECTION, retryable=True, outcome="refused")
    exc = RefreshError(cause)
    exc.__cause__ = cause
    judge(exc, CONNECTION, retryable=True, outcome="refused")


def test_universes_that_do_not_match_are_wrongly_set_up(judge: Judge) -> None:
    from google.api_core import universe
    from google.auth.credentials import AnonymousCredentials

    exc = caught(lambda: universe.determine_domain("", None))
    judge(exc, WRONG, retryable=False)
    exc = caught(lambda: universe.compare_domains("example.com", AnonymousCredentials()))
    judge(exc, WRONG, retryable=False)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (301, WRONG, False),
        (304, "conflict", False),
        (307, WRONG, False),
        (308, CONNECTION, True),
        (405, "invalid_request", False),
        (411, "invalid_request", False),
        (416, "invalid_request", False),
        (418, "invalid_request", False),
        (599, SERVER, True),
    ],
)
def test_the_rarer_statuses_are_known_too(
    status: int, kind: str, retryable: bool, judge: Judge
) -> None:
    from google.api_core.exceptions import from_http_status

    judge(from_http_status(status, "so it is"), kind, retryable=retryable)


def test_an_upload_is_judged_by_what_became_of_it(judge: Judge) -> None:
    from google.api_core import exceptions

    for name, kind, retryable in (
        ("TransferStalledError", TIMEOUT, True),
        ("MissingStatusHeaderError", SERVER, True),
        ("UnseekableStreamError", CONNECTION, False),
        ("UploadCancelledError", "conflict", False),
    ):
        exc = getattr(exceptions, name)("so it is", upload_url="http://x")
        judge(exc, kind, retryable=retryable, outcome="open")


# --- waits behind litellm, which makes up a response where it has none


@pytest.mark.parametrize(
    "client", ["litellm", "litellm, anthropic", "litellm, gemini", "litellm, hosted_vllm"]
)
def test_the_wait_that_a_provider_asked_for_is_found_behind_litellm(
    client: str, judge: Judge
) -> None:
    headers = {"Content-Type": "application/json", "Retry-After": "12"}
    with serving() as (url, answer):
        answer(Answer(429, b'{"error": {"message": "slow down"}}', headers))
        exc = caught(lambda: CALLS[client](url, False, PATIENCE))
    assert judge(exc, "rate_limited", retryable=True).retry_after == 12


# --- vLLM in one's own process: not installed here, its texts are from its source


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The decoder prompt (length 40960) is longer than the maximum model length of 32768.",
         "context_length_exceeded"),
        ("However, the model's context length is only 40960 tokens.", "context_length_exceeded"),
        ("max_tokens must be at least 1, got -131.", "context_length_exceeded"),
        ("max_tokens must be at least 1, got 0.", "invalid_value"),
        ("No available memory for the cache blocks. Try increasing it.", "gpu_out_of_memory"),
    ],
)  # fmt: skip
def test_vllms_plain_errors_go_by_their_words(text: str, kind: str, judge: Judge) -> None:
    judge(ValueError(text), kind, retryable=False, stage="inference")


def test_an_engine_that_does_not_start_does_not_start_the_next_time(judge: Judge) -> None:
    """What it died of stands in its log; only where it is the cause it is known here."""
    exc = RuntimeError(
        "Engine core initialization failed. See root cause above. Failed core proc(s): "
        "{'EngineCore_0': 1}"
    )
    judge(exc, "process_crashed", retryable=False)
    exc.__cause__ = ValueError("No available memory for the cache blocks.")
    judge(exc, "gpu_out_of_memory", retryable=False)
