"""NumPy arrays as ``.npy`` (never with pickle), and NumPy scalars."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from .refusal import Refused

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["load", "plan", "read", "whole"]


def plan(cls: type) -> Plan | None:
    """How NumPy values of exactly this class are written, or None."""
    import numpy

    if cls is numpy.ndarray:
        return _array
    if issubclass(cls, numpy.generic):
        return _scalar
    return None


def whole(value: Any) -> tuple[str, bytes] | None:
    """An array that is the whole checkpoint is a plain ``.npy`` file."""
    import numpy

    return ("npy", _npy(value)) if type(value) is numpy.ndarray else None


def read(data: bytes) -> Any:
    """The array in an ``.npy`` file."""
    import numpy

    return numpy.load(io.BytesIO(data), allow_pickle=False)


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    array = read(reader.blob(tag["v"]))
    return array if tag["$"] == "npy" else array[()]


def _array(writer: Writer, value: Any) -> Any:
    return {"$": "npy", "v": writer.blob(_npy(value))}


def _scalar(writer: Writer, value: Any) -> Any:
    import numpy

    return {"$": "np", "v": writer.blob(_npy(numpy.asarray(value)))}


def _npy(array: Any) -> bytes:
    import numpy

    if array.dtype.hasobject:
        raise Refused("is an array of Python objects; give it a number or text dtype, or a list")
    # Types from outside NumPy (bfloat16 and the like) would come back as raw bytes.
    form = numpy.lib.format
    if array.dtype.metadata is not None or (
        form.descr_to_dtype(form.dtype_to_descr(array.dtype)) != array.dtype
    ):
        raise Refused(f"is an array of {array.dtype}, which a .npy file cannot say")
    file = io.BytesIO()
    numpy.save(file, array, allow_pickle=False)
    return file.getvalue()
