"""Pickle, only where someone asked for it, signed, and checked before it is loaded.

Loading a pickle runs whatever it says, so one that somebody else could have written must never be
loaded. The signature is an HMAC with SHA-256 over the bytes, and stands in front of them.
"""

from __future__ import annotations

from typing import Any

from .refusal import Refused, damaged

__all__ = ["dump", "load"]

_SIGNATURE = 32  # bytes of an SHA-256


def dump(value: Any, key: bytes) -> bytes:
    """``value`` pickled, behind its signature. Raises :class:`Refused` if it cannot be pickled."""
    import pickle

    try:
        data = pickle.dumps(value, protocol=5)
    except Exception as exc:
        raise Refused(
            f"is a {type(value).__qualname__} that cannot be pickled either ({exc})"
        ) from exc
    return _sign(data, key) + data


def load(data: bytes, key: bytes) -> Any:
    """The value, if the signature is right. Raises CheckpointDamaged otherwise."""
    import hmac
    import pickle

    signature, pickled = data[:_SIGNATURE], data[_SIGNATURE:]
    if not hmac.compare_digest(signature, _sign(pickled, key)):
        raise damaged("the signature of its pickle is wrong: another key, or someone changed it")
    return pickle.loads(pickled)


def _sign(data: bytes, key: bytes) -> bytes:
    import hmac

    return hmac.digest(key, data, "sha256")
