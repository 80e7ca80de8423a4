"""Secrets in one text, with nothing set up before."""

from __future__ import annotations

from collections.abc import Iterable

from .scrubber import Scrubber

__all__ = ["scrub_text"]


def scrub_text(text: str, *, known: Iterable[str] = (), key: bytes | None = None) -> str:
    """``text`` without its secrets, and not longer than 100,000 characters.

    ``known`` are values that are secret wherever they stand (shorter than six characters: not
    replaced). With a ``key`` a placeholder carries six digits of an HMAC, so that equal secrets can
    be told to be equal. Never raises: what cannot be scrubbed is dropped.

    >>> scrub_text("401 for sk-proj-abcdefghijklmnopqrstuv, order 3fa85f64-5717-4562-b3fc-2c963f66afa6")
    '401 for [openai key], order 3fa85f64-5717-4562-b3fc-2c963f66afa6'
    >>> scrub_text("postgresql://app:hunter2@db/prod?sslmode=require")
    'postgresql://app:[password]@db/prod?sslmode=require'
    >>> scrub_text("idempotency_key=order-17 max_tokens=100 api_key=abc123def")
    'idempotency_key=order-17 max_tokens=100 api_key=[secret]'
    """
    return Scrubber(known=tuple(known), key=key).text(text)
