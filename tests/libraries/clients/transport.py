"""The real clients of HTTP and WebSockets, each making one plain call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CALLS"]


def _aiohttp(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import aiohttp

    async def call() -> Any:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        async with aiohttp.ClientSession(timeout=limit) as session:
            async with session.post(url, json={}) as response:
                response.raise_for_status()
                return await response.json()

    return asyncio.run(call())


def _aiohttp_ws(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import aiohttp

    async def call() -> Any:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        async with aiohttp.ClientSession(timeout=limit) as session:
            async with session.ws_connect(url) as connection:
                return await connection.receive_str(timeout=timeout)

    return asyncio.run(call())


def _websockets(url: str, stream: bool, timeout: float) -> Any:
    from websockets.sync.client import connect

    address = url.replace("http", "ws", 1)
    with connect(address, open_timeout=timeout, close_timeout=timeout, proxy=None) as connection:
        return connection.recv(timeout=timeout)


def _httpx2(url: str, stream: bool, timeout: float) -> Any:
    import httpx2

    return httpx2.post(url, json={}, timeout=timeout).raise_for_status().json()


def _httpx2_async(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    import httpx2

    async def call() -> Any:
        async with httpx2.AsyncClient(timeout=timeout) as client:
            return (await client.post(url, json={})).raise_for_status().json()

    return asyncio.run(call())


def _urllib(url: str, stream: bool, timeout: float) -> Any:
    import json
    import urllib.error
    import urllib.request

    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with plain.open(url, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as exc:
        exc.close()  # it is a response, too, and holds the socket
        raise


CALLS: dict[str, Callable[[str, bool, float], Any]] = {
    "aiohttp": _aiohttp,
    "aiohttp-ws": _aiohttp_ws,
    "websockets": _websockets,
    "httpx2": _httpx2,
    "httpx2-async": _httpx2_async,
    "urllib": _urllib,
}
