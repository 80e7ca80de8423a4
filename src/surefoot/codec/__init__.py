"""Checkpoints to bytes and back, exceptions to records and back, JSON input to annotated types."""

from .codec import Codec, Encoded, decode, digest, encode
from .convert import convert, convert_text
from .exceptions import restore_exception, save_exception
from .names import hints

__all__ = [
    "Codec",
    "Encoded",
    "convert",
    "convert_text",
    "decode",
    "digest",
    "encode",
    "hints",
    "restore_exception",
    "save_exception",
]
