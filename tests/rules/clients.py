"""The real clients, each making one plain call, with their own retries turned off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CLIENTS", "PATIENCE", "aws_client", "call", "call_service"]

PATIENCE = 20.0
"""Seconds; a busy machine is no timeout."""


def _httpx(url: str, stream: bool, timeout: float) -> Any:
    import httpx

    return httpx.post(url, json={}, timeout=timeout).raise_for_status().json()


def _httpx_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import httpx

    async def call() -> Any:
        async with httpx.AsyncClient(timeout=timeout) as client:
            return (await client.post(url, json={})).raise_for_status().json()

    return asyncio.run(call())


def _requests(url: str, stream: bool, timeout: float) -> Any:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        response = session.post(url, json={}, timeout=timeout)
        response.raise_for_status()
        return response.json()


def _urllib3(url: str, stream: bool, timeout: float) -> Any:
    import urllib3

    with urllib3.PoolManager(timeout=timeout, retries=0) as pool:
        return pool.request("POST", url, body=b"{}").data


def _openai(url: str, stream: bool, timeout: float) -> Any:
    import openai

    with openai.OpenAI(api_key="x", base_url=url, max_retries=0, timeout=timeout) as client:
        answer = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=stream
        )
        return list(answer) if stream else answer


def _openai_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import openai

    async def call() -> Any:
        async with openai.AsyncOpenAI(
            api_key="x", base_url=url, max_retries=0, timeout=timeout
        ) as client:
            return await client.responses.create(model="m", input="x")

    return asyncio.run(call())


def _anthropic(url: str, stream: bool, timeout: float) -> Any:
    import anthropic

    with anthropic.Anthropic(api_key="x", base_url=url, max_retries=0, timeout=timeout) as client:
        answer = client.messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}], stream=stream
        )
        return list(answer) if stream else answer


def aws_client(service: str, url: str, timeout: float = PATIENCE) -> Any:
    """A client of botocore for ``service``."""
    import botocore.session
    from botocore.config import Config

    return botocore.session.get_session().create_client(
        service,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        endpoint_url=url,
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=timeout,
            read_timeout=timeout,
            s3={"addressing_style": "path"},
        ),
    )


def call_service(service: str, url: str, stream: bool = False, timeout: float = PATIENCE) -> Any:
    """One call of one of AWS's services."""
    client = aws_client(service, url, timeout)
    try:
        if service == "s3":
            return client.get_object(Bucket="bucket", Key="key")["Body"].read()
        if service == "dynamodb":
            return client.get_item(TableName="table", Key={"id": {"S": "1"}})
        if service == "sagemaker-runtime":
            return client.invoke_endpoint(EndpointName="endpoint", Body=b"{}")
        asked: dict[str, Any] = {
            "modelId": "m",
            "messages": [{"role": "user", "content": [{"text": "x"}]}],
        }
        if stream:
            return list(client.converse_stream(**asked)["stream"])
        return client.converse(**asked)
    finally:
        client.close()


def _botocore(url: str, stream: bool, timeout: float) -> Any:
    return call_service("bedrock-runtime", url, stream, timeout)


_CALLS: dict[str, Callable[[str, bool, float], Any]] = {
    "httpx": _httpx,
    "httpx, async": _httpx_async,
    "requests": _requests,
    "urllib3": _urllib3,
    "openai": _openai,
    "openai, async": _openai_async,
    "anthropic": _anthropic,
    "botocore": _botocore,
}

CLIENTS = tuple(_CALLS)


def call(client: str, url: str, stream: bool = False, timeout: float = PATIENCE) -> Any:
    """One call with ``client``, which takes ``timeout`` seconds at most."""
    return _CALLS[client](url, stream, timeout)
