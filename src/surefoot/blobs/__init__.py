"""Large checkpoints, each under its SHA-256: files beside the journal (:mod:`.folder`), or objects
of a bucket (:mod:`.objects`, imported only where one is configured)."""

from .folder import INLINE_BYTES, Blobs, checked

__all__ = ["INLINE_BYTES", "Blobs", "checked"]
