"""pyarrow tables and record batches as Arrow IPC streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["load", "plan", "read", "to_stream", "whole"]


def plan(cls: type) -> Plan | None:
    """How Arrow values of exactly this class are written, or None."""
    import pyarrow

    return _arrow if cls in (pyarrow.Table, pyarrow.RecordBatch) else None


def whole(value: Any) -> tuple[str, bytes] | None:
    """A table that is the whole checkpoint is a plain Arrow stream."""
    import pyarrow

    return ("arrow", to_stream(value)) if type(value) is pyarrow.Table else None


def read(data: bytes) -> Any:
    """The table in an Arrow stream."""
    import pyarrow

    return pyarrow.ipc.open_stream(data).read_all()


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    table = read(reader.blob(tag["v"]))
    if tag["c"] == "Table":
        return table
    import pyarrow

    batches = table.to_batches()
    return batches[0] if batches else pyarrow.RecordBatch.from_pylist([], schema=table.schema)


def to_stream(value: Any) -> bytes:
    """A table or batch as the bytes of an Arrow stream."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, value.schema) as stream:
        stream.write(value)
    return bytes(sink.getvalue())


def _arrow(writer: Writer, value: Any) -> Any:
    return {"$": "arrow", "c": type(value).__name__, "v": writer.blob(to_stream(value))}


def pyarrow_module() -> Any:
    """The optional package itself, for the other frames. Raises ImportError where it is missing."""
    import pyarrow

    return pyarrow
