"""The fault proxy: a TCP proxy that speaks Toxiproxy's HTTP API, with some words of its own.

:class:`FaultProxy` starts one for a test, or talks to a real Toxiproxy; ``surefoot fault-proxy`` runs
one for a team. Asyncio and the standard library only. Not a line of Toxiproxy is in here: its
documentation, and the answers of a running server of version 2.12, are what it was written from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import FaultProxy, ProxyHandle, ToxicHandle

__all__ = ["FaultProxy", "ProxyHandle", "ToxicHandle"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import client  # asyncio and threads: only for whoever asks

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
