"""polars frames and series as Arrow IPC files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from .refusal import Refused

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["load", "plan", "read", "whole"]


def plan(cls: type) -> Plan | None:
    """How polars values of exactly this class are written, or None."""
    import polars

    if cls is polars.DataFrame:
        return lambda writer, value: _tag(writer, "DataFrame", value)
    if cls is polars.Series:
        return lambda writer, value: _tag(writer, "Series", value.to_frame())
    return None


def whole(value: Any) -> tuple[str, bytes] | None:
    """A frame that is the whole checkpoint is a plain Arrow file."""
    import polars

    return ("arrow+polars", _ipc(value)) if type(value) is polars.DataFrame else None


def read(data: bytes) -> Any:
    """The frame in an Arrow file."""
    import polars

    return polars.read_ipc(io.BytesIO(data))


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    frame = read(reader.blob(tag["v"]))
    return frame if tag["c"] == "DataFrame" else frame.to_series(0)


def _tag(writer: Writer, kind: str, frame: Any) -> Any:
    return {"$": "polars", "c": kind, "v": writer.blob(_ipc(frame))}


def _ipc(frame: Any) -> bytes:
    import polars

    held = [name for name, dtype in frame.schema.items() if dtype == polars.Object]
    if held:
        raise Refused(f"is a polars frame whose column {held[0]!r} holds Python objects")
    file = io.BytesIO()
    frame.write_ipc(file)
    return file.getvalue()
