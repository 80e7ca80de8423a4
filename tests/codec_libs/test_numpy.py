"""NumPy arrays and scalars with the real NumPy."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy
import pytest

from surefoot.codec import decode, encode
from surefoot.errors import UnsavableError
from surefoot.fingerprint.arguments import ArgumentDigester


@dataclass
class Embedded:
    text: str
    vector: numpy.ndarray[Any, Any]


ARRAYS = [
    numpy.arange(6).reshape(2, 3),
    numpy.asfortranarray(numpy.ones((3, 4), dtype="float32")),
    numpy.array([], dtype="<U3"),
    numpy.array(["a", "bcd"]),
    numpy.array(5),
    numpy.array([numpy.nan, -0.0]),
    numpy.array(["2026-11-22", "NaT"], dtype="datetime64[ns]"),
    numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    numpy.arange(4, dtype=">i2"),
    numpy.array([True, False]),
    numpy.arange(10)[::2],
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}")
def test_an_array_comes_back(array: Any) -> None:
    for value, get in ((array, lambda v: v), ([{"a": (array,)}], lambda v: v[0]["a"][0])):
        got = get(decode(*encode(value)))
        assert type(got) is numpy.ndarray and got.dtype == array.dtype
        numpy.testing.assert_array_equal(got, array)


def test_a_whole_array_is_an_npy_file() -> None:
    encoded = encode(ARRAYS[0])
    assert encoded.format == "npy"
    numpy.testing.assert_array_equal(numpy.load(io.BytesIO(encoded.data)), ARRAYS[0])


def test_arrays_in_records_lie_beside_the_json() -> None:
    value = [Embedded("a", numpy.ones(1000)), Embedded("b", numpy.zeros(1000))]
    encoded = encode(value)
    assert encoded.format == "parts" and len(encoded.data) < 2 * 8000 + 1000
    got = decode(*encoded)
    assert got[1].text == "b"
    numpy.testing.assert_array_equal(got[0].vector, value[0].vector)


@pytest.mark.parametrize(
    "scalar",
    [
        numpy.float32(1.5),
        numpy.float64(1.5),
        numpy.int64(3),
        numpy.bool_(True),
        numpy.str_("x"),
        numpy.bytes_(b"x"),
        numpy.datetime64("2026-11-22"),
        numpy.complex64(1j),
    ],
    ids=lambda s: type(s).__name__,
)
def test_a_scalar_keeps_its_type(scalar: Any) -> None:
    got = decode(*encode({"s": scalar}))["s"]
    assert type(got) is type(scalar) and got == scalar and got.dtype == scalar.dtype
    assert type(decode(*encode(scalar))) is type(scalar)


class Sub(numpy.ndarray[Any, Any]):
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (numpy.array([object()]), "array of Python objects"),
        ([numpy.array([{}, 1])], r"result\[0\] is an array of Python objects"),
        (numpy.ma.masked_array([1], [True]), "MaskedArray"),
        (numpy.ones(2).view(Sub), "Sub"),
        (numpy.dtype("i4"), "cannot be saved"),
        (numpy.zeros(1, numpy.dtype("i4", metadata={"a": 1})), r"a \.npy file cannot say"),
    ],
)
def test_what_would_be_lost_is_refused(value: Any, message: str) -> None:
    with pytest.raises(UnsavableError, match=message):
        encode(value)


def test_a_type_that_a_npy_file_cannot_say_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ml_dtypes' bfloat16, which would come back as two raw bytes."""
    monkeypatch.setattr(numpy.lib.format, "descr_to_dtype", lambda _: numpy.dtype("V2"))
    with pytest.raises(UnsavableError, match=r"array of float16, which a \.npy file cannot say"):
        encode(numpy.zeros(2, "float16"))


def test_arrays_as_arguments_count_by_their_bytes() -> None:
    def step(x): ...  # type: ignore[no-untyped-def]

    digester = ArgumentDigester(step)
    totals = {digester.digest((array,), {}).total for array in ARRAYS}
    assert len(totals) == len(ARRAYS)
    assert (
        digester.digest((numpy.ones(3),), {}).total == digester.digest((numpy.ones(3),), {}).total
    )
    objects = numpy.array(["a", {"k": 1}], dtype=object)
    assert digester.digest((objects,), {}).total == digester.digest((objects.copy(),), {}).total
    assert digester.digest((numpy.float32(1),), {}).total != digester.digest((1.0,), {}).total
    assert digester.digest((numpy.ones(2).view(Sub),), {}).total
