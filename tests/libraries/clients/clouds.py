"""Hugging Face, litellm, Azure and Google: one plain call each, with their own retries turned off."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# litellm fetches a list of prices from the network when it is imported, and says so when it cannot
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

_MESSAGES = [{"role": "user", "content": "x"}]


@contextmanager
def _known_warnings() -> Iterator[None]:
    """litellm builds models with pydantic as it goes; google-api-core wants a newer grpcio."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Items? .*ReadOnly", UserWarning)
        warnings.filterwarnings("ignore", ".*Post-Quantum", FutureWarning)
        warnings.filterwarnings("ignore", "Please install grpcio-status", ImportWarning)
        yield


def _inference(url: str, stream: bool, timeout: float) -> Any:
    from huggingface_hub import InferenceClient

    with InferenceClient(model=url, token="x", timeout=timeout) as client:
        answer = client.chat_completion(_MESSAGES, stream=stream)
        return list(answer) if stream else answer


def _generation(url: str, stream: bool, timeout: float) -> Any:
    """The API of Text Generation Inference, whose errors have classes of their own."""
    from huggingface_hub import InferenceClient

    with InferenceClient(model=url, token="x", timeout=timeout) as client:
        answer = client.text_generation("x", stream=stream)
        return list(answer) if stream else answer


def _generation_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    from huggingface_hub import AsyncInferenceClient

    async def call() -> Any:
        async with AsyncInferenceClient(model=url, token="x", timeout=timeout) as client:
            return await client.text_generation("x")

    return asyncio.run(call())


def _hub(url: str, stream: bool, timeout: float) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=url, token="x").model_info("org/model", timeout=timeout)


def _completion(model: str) -> Callable[[str, bool, float], Any]:
    @_known_warnings()
    def call(url: str, stream: bool, timeout: float) -> Any:
        import litellm

        litellm.suppress_debug_info = True
        answer = litellm.completion(
            model=model,
            messages=_MESSAGES,
            api_base=url,
            api_key="x",
            timeout=timeout,
            max_retries=0,
            num_retries=0,
            stream=stream,
        )
        return list(answer) if stream else answer

    return call


@_known_warnings()
def _litellm_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import litellm

    litellm.suppress_debug_info = True
    return asyncio.run(
        litellm.acompletion(
            model="openai/m",
            messages=_MESSAGES,
            api_base=url,
            api_key="x",
            timeout=timeout,
            max_retries=0,
            num_retries=0,
        )
    )


def _vllm(url: str, stream: bool, timeout: float) -> Any:
    """vLLM speaks OpenAI's protocol; its users call it with OpenAI's SDK."""
    import openai

    with openai.OpenAI(api_key="x", base_url=url, max_retries=0, timeout=timeout) as client:
        answer = client.chat.completions.create(model="m", messages=_MESSAGES, stream=stream)
        return list(answer) if stream else answer


def _azure(url: str, stream: bool, timeout: float) -> Any:
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    with ChatCompletionsClient(
        url,
        AzureKeyCredential("x"),
        retry_total=0,
        connection_timeout=timeout,
        read_timeout=timeout,
    ) as client:
        answer = client.complete(messages=_MESSAGES, model="m", stream=stream)
        return list(answer) if stream else answer


def _azure_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    from azure.ai.inference.aio import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    async def call() -> Any:
        async with ChatCompletionsClient(
            url,
            AzureKeyCredential("x"),
            retry_total=0,
            connection_timeout=timeout,
            read_timeout=timeout,
        ) as client:
            return await client.complete(messages=_MESSAGES, model="m")

    return asyncio.run(call())


def _azure_core(url: str, stream: bool, timeout: float) -> Any:
    """A bare pipeline with the map of errors that the generated clients use (AutoRest)."""
    from azure.core import PipelineClient
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ResourceExistsError,
        ResourceModifiedError,
        ResourceNotFoundError,
        map_error,
    )
    from azure.core.rest import HttpRequest

    errors = {
        401: ClientAuthenticationError,
        404: ResourceNotFoundError,
        409: ResourceExistsError,
        412: ResourceModifiedError,
    }
    with PipelineClient(url, retry_total=0) as client:
        response = client.send_request(
            HttpRequest("POST", url, json={}), connection_timeout=timeout, read_timeout=timeout
        )
        if response.status_code >= 400:
            map_error(response.status_code, response, errors)
            raise HttpResponseError(response=response)
        return response.json()


@_known_warnings()
def _google(url: str, stream: bool, timeout: float) -> Any:
    """The REST client of long-running operations, the one that google-api-core itself has."""
    from google.api_core import operations_v1
    from google.auth.credentials import Credentials

    class Token(Credentials):
        """One that is refreshed without a server; a 401 makes the client try that once."""

        def refresh(self, request: Any) -> None:
            self.token = "x"

    transport = operations_v1.transports.rest.OperationsRestTransport(host=url, credentials=Token())
    client = operations_v1.AbstractOperationsClient(transport=transport)
    return client.get_operation("projects/p/operations/1", retry=None, timeout=timeout)


@_known_warnings()
def _google_token(url: str, stream: bool, timeout: float) -> Any:
    """A service account that asks for its access token."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    credentials = Credentials.from_service_account_info(
        {"private_key": key.decode(), "client_email": "a@example.com", "token_uri": url},
        scopes=["https://www.googleapis.com/auth/cloud-platform"],
    )
    credentials.refresh(Request())
    return credentials.token


CALLS: dict[str, Callable[[str, bool, float], Any]] = {
    "huggingface_hub": _inference,
    "huggingface_hub, generation": _generation,
    "huggingface_hub, generation, async": _generation_async,
    "huggingface_hub, hub": _hub,
    "litellm": _completion("openai/m"),
    "litellm, async": _litellm_async,
    "litellm, anthropic": _completion("anthropic/claude-sonnet-4-5"),
    "litellm, gemini": _completion("gemini/gemini-2.5-flash"),
    "litellm, hosted_vllm": _completion("hosted_vllm/m"),
    "vllm": _vllm,
    "azure": _azure,
    "azure, async": _azure_async,
    "azure, core": _azure_core,
    "google": _google,
    "google, token": _google_token,
}
