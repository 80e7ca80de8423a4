"""The SDKs of Gemini, Mistral, Cohere, Groq, Together, Ollama and Slack, each making one plain call.

Their own retries are off, and proxies of the machine are left alone: every address is loopback.
"""

from __future__ import annotations

import asyncio
import traceback
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["CALLS"]

_MESSAGES = [{"role": "user", "content": "x"}]


def _genai_client(url: str, timeout: float) -> Any:
    from google import genai

    return genai.Client(api_key="x", http_options={"base_url": url, "timeout": int(timeout * 1000)})


def _genai(url: str, stream: bool, timeout: float) -> Any:
    with _genai_client(url, timeout) as client:
        if stream:
            return list(client.models.generate_content_stream(model="m", contents="x"))
        return client.models.generate_content(model="m", contents="x")


def _genai_async(url: str, stream: bool, timeout: float) -> Any:
    async def call() -> Any:
        async with _genai_client(url, timeout).aio as client:
            return await client.models.generate_content(model="m", contents="x")

    with warnings.catch_warnings():
        # its session derives from aiohttp's, of which aiohttp disapproves
        warnings.filterwarnings("ignore", message="Inheritance class AiohttpClientSession")
        return asyncio.run(call())


def _genai_interactions(url: str, stream: bool, timeout: float) -> Any:
    with _genai_client(url, timeout) as client:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*experimental.*")
            return client.interactions.create(model="m", input="x", stream=stream)


def _mistralai(url: str, stream: bool, timeout: float) -> Any:
    from mistralai.client import Mistral

    with Mistral(api_key="x", server_url=url, timeout_ms=int(timeout * 1000)) as client:
        if stream:
            with client.chat.stream(model="m", messages=_MESSAGES) as events:
                return list(events)
        return client.chat.complete(model="m", messages=_MESSAGES)


def _cohere(url: str, stream: bool, timeout: float) -> Any:
    import cohere

    with cohere.ClientV2(api_key="x", base_url=url, timeout=timeout) as client:
        options = {"max_retries": 0}
        if stream:
            return list(client.chat_stream(model="m", messages=_MESSAGES, request_options=options))
        return client.chat(model="m", messages=_MESSAGES, request_options=options)


def _groq(url: str, stream: bool, timeout: float) -> Any:
    import groq

    with groq.Groq(api_key="x", base_url=url, max_retries=0, timeout=timeout) as client:
        answer = client.chat.completions.create(model="m", messages=_MESSAGES, stream=stream)
        return list(answer) if stream else answer


def _together(url: str, stream: bool, timeout: float) -> Any:
    import together

    with together.Together(api_key="x", base_url=url, max_retries=0, timeout=timeout) as client:
        answer = client.chat.completions.create(model="m", messages=_MESSAGES, stream=stream)
        return list(answer) if stream else answer


def _ollama(url: str, stream: bool, timeout: float) -> Any:
    import ollama

    with ollama.Client(host=url, timeout=timeout) as client:
        answer = client.chat(model="m", messages=_MESSAGES, stream=stream)
        return list(answer) if stream else answer


def _slack(url: str, stream: bool, timeout: float) -> Any:
    from slack_sdk import WebClient

    client = WebClient(
        token="x", base_url=f"{url}/api/", timeout=max(1, int(timeout)), retry_handlers=[]
    )
    try:
        return client.chat_postMessage(channel="C1", text="x")
    except Exception as exc:
        with warnings.catch_warnings():
            # it never closes an answer that it could not read to its end
            warnings.simplefilter("ignore", ResourceWarning)
            traceback.clear_frames(exc.__traceback__)
        raise


def _slack_async(url: str, stream: bool, timeout: float) -> Any:
    from slack_sdk.web.async_client import AsyncWebClient

    async def call() -> Any:
        client = AsyncWebClient(
            token="x", base_url=f"{url}/api/", timeout=max(1, int(timeout)), retry_handlers=[]
        )
        return await client.chat_postMessage(channel="C1", text="x")

    return asyncio.run(call())


CALLS: dict[str, Callable[[str, bool, float], Any]] = {
    "google-genai": _genai,
    "google-genai, async": _genai_async,
    "google-genai, interactions": _genai_interactions,
    "mistralai": _mistralai,
    "cohere": _cohere,
    "groq": _groq,
    "together": _together,
    "ollama": _ollama,
    "slack_sdk": _slack,
    "slack_sdk, async": _slack_async,
}
