"""Data frames with the real pandas, polars and pyarrow."""

from __future__ import annotations

import datetime as dt
import io
import sys
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest

from surefoot.codec import decode, encode
from surefoot.errors import UnsavableError
from surefoot.fingerprint.arguments import ArgumentDigester

FRAME = pandas.DataFrame(
    {
        "i": [1, 2],
        "f": [1.5, None],
        "s": ["a", None],
        "d": pandas.to_datetime(["2026-11-22", None]),
        "z": pandas.to_datetime(["2026-11-22", "2026-11-23"]).tz_localize("Europe/Vienna"),
        "c": pandas.Categorical(["x", "y"], ordered=True),
        "n": pandas.array([1, None], dtype="Int64"),
        "b": [True, False],
        "t": pandas.to_timedelta([1, 2], unit="s"),
    }
)
PANDAS = [
    FRAME,
    FRAME.set_index("i"),
    FRAME.set_index(["i", "b"]),
    pandas.DataFrame(),
    pandas.DataFrame({"a": []}),
    pandas.DataFrame({"o": numpy.array(["a", None, "b"], dtype=object)}),
    pandas.DataFrame({"o": numpy.array([b"a", dt.date(2026, 1, 1)][:1], dtype=object)}),
    pandas.DataFrame({"d": numpy.array([dt.date(2026, 1, 1)], dtype=object)}),
    pandas.DataFrame([[1, 2]], columns=["a", "b"]),
    pandas.DataFrame([[1, 2], [3, 4]]),
    pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    FRAME.rename_axis(columns="kind"),
]


@pytest.mark.parametrize("frame", PANDAS, ids=lambda f: f"{f.shape}")
def test_a_pandas_frame_comes_back(frame: Any) -> None:
    encoded = encode(frame)
    assert encoded.format == "arrow+pandas"
    pandas.testing.assert_frame_equal(decode(*encoded), frame)
    pandas.testing.assert_frame_equal(decode(*encode({"f": [frame]}))["f"][0], frame)


@pytest.mark.parametrize(
    "series",
    [
        pandas.Series([1, 2], name="x"),
        pandas.Series(["a"], index=["k"]),
        pandas.Series([1.5], name=("a", 1)),
    ],
    ids=lambda s: str(s.name),
)
def test_a_pandas_series_comes_back(series: Any) -> None:
    pandas.testing.assert_series_equal(decode(*encode(series)), series)


@pytest.mark.parametrize(
    "index",
    [
        pandas.Index([3, 1], name="x"),
        pandas.RangeIndex(5),
        pandas.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["n", None]),
        pandas.DatetimeIndex(["2026-01-01", "2026-02-01"]),
    ],
    ids=lambda i: type(i).__name__,
)
def test_a_pandas_index_comes_back(index: Any) -> None:
    got = decode(*encode([index]))[0]
    assert type(got) is type(index)
    pandas.testing.assert_index_equal(got, index)


@pytest.mark.parametrize(
    "value",
    [
        pandas.Timestamp("2026-11-22T09:30:00.123456789"),
        pandas.Timestamp("2026-11-22", tz="Europe/Vienna"),
        pandas.Timestamp("2026-11-22T01:00", tz=dt.timezone.utc),
        pandas.Timestamp(2026, 10, 25, 2, 30, fold=1, tz="Europe/Vienna"),
        pandas.Timestamp("2026-11-22").as_unit("s"),
        pandas.Timedelta("1 days 00:00:00.000000001"),
        pandas.Timedelta(5, "s").as_unit("ms"),
    ],
    ids=str,
)
def test_pandas_scalars_come_back(value: Any) -> None:
    got = decode(*encode([value]))[0]
    assert type(got) is type(value) and got == value and got.unit == value.unit
    assert str(got) == str(value)


def test_nat_and_na_are_themselves() -> None:
    got = decode(*encode([pandas.NaT, pandas.NA]))
    assert got[0] is pandas.NaT and got[1] is pandas.NA


def test_attributes_that_json_would_change_are_refused() -> None:
    frame = FRAME.copy()
    frame.attrs = {"size": (1, 2)}
    with pytest.raises(UnsavableError, match="JSON would change its `attrs`"):
        encode(frame)


def test_attributes_of_a_frame_come_back() -> None:
    frame = FRAME.copy()
    frame.attrs = {"source": ["a", 1]}
    assert decode(*encode(frame)).attrs == {"source": ["a", 1]}


def with_attrs() -> Any:
    frame = FRAME.copy()
    frame.attrs = {"k": object()}
    return frame


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pandas.DataFrame({"a": [{"x": 1}, {"y": 2}]}), "column 'a'"),
        (pandas.DataFrame({"a": [(1, 2)]}), "column 'a'"),
        (pandas.DataFrame({"a": [object()]}), "Arrow cannot hold"),
        (pandas.DataFrame({"a": [1, "b"]}), "Arrow cannot hold"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "Arrow cannot hold"),
        (
            pandas.DataFrame([[1]], columns=pandas.Index([(1, 2)], tupleize_cols=False)),
            "column names are of several types",
        ),
        (pandas.DataFrame({1.5: [1]}), None),
        (pandas.DataFrame({"a": [1]}, index=pandas.Index([(1, 2)], tupleize_cols=False)), "index"),
        (
            pandas.DataFrame({"a": [1, 2]}, index=pandas.date_range("2026-01-01", periods=2)),
            "with a `freq`; set `index.freq = None`",
        ),
        (with_attrs(), "of type object is not JSON"),
        ([FRAME.groupby("i")], r"result\[0\] is a pandas"),
        ({"a": pandas.Series([{1, 2}])}, r"result\['a'\] is a pandas object"),
    ],
    ids=str,
)
def test_what_arrow_would_change_is_refused(value: Any, message: str | None) -> None:
    if message is None:
        pandas.testing.assert_frame_equal(decode(*encode(value)), value)
        return
    with pytest.raises(UnsavableError, match=message):
        encode(value)


def test_pandas_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsavableError, match=r'pip install "surefoot\[frames\]"'):
        encode(FRAME)


POLARS = [
    polars.DataFrame(
        {
            "i": [1, None],
            "s": ["a", "b"],
            "d": [dt.date(2026, 1, 1), None],
            "l": [[1, 2], []],
            "z": polars.Series([dt.datetime(2026, 1, 1)] * 2).dt.replace_time_zone("Europe/Vienna"),
            "c": polars.Series(["x", "y"], dtype=polars.Categorical),
            "e": polars.Series(["x", "y"], dtype=polars.Enum(["x", "y"])),
            "st": [{"a": 1}, {"a": 2}],
        }
    ),
    polars.DataFrame(),
    polars.DataFrame({"f": [1.5, 2.5]}),
]


@pytest.mark.parametrize("frame", POLARS, ids=lambda f: f"{f.shape}")
def test_a_polars_frame_comes_back(frame: Any) -> None:
    encoded = encode(frame)
    assert encoded.format == "arrow+polars"
    got = decode(*encoded)
    assert got.equals(frame) and got.schema == frame.schema
    assert decode(*encode([frame]))[0].equals(frame)


def test_a_polars_series_comes_back() -> None:
    series = polars.Series("x", [1, None, 3])
    got = decode(*encode({"s": series}))["s"]
    assert got.equals(series) and got.name == "x" and got.dtype == series.dtype


def test_polars_objects_and_lazy_frames_are_refused() -> None:
    with pytest.raises(UnsavableError, match="column 'o' holds Python objects"):
        encode(polars.DataFrame({"o": [object()]}))
    with pytest.raises(UnsavableError, match="LazyFrame"):
        encode(POLARS[0].lazy())


TABLE = pyarrow.table({"a": [1, None], "b": ["x", "y"]})


def test_arrow_tables_and_batches_come_back() -> None:
    encoded = encode(TABLE)
    assert encoded.format == "arrow"
    assert decode(*encoded).equals(TABLE)
    assert pyarrow.ipc.open_stream(io.BytesIO(encoded.data)).read_all().equals(TABLE)
    batch = TABLE.to_batches()[0]
    empty = pyarrow.RecordBatch.from_pylist([], schema=TABLE.schema)
    got = decode(*encode([TABLE, batch, empty]))
    assert got[0].equals(TABLE) and got[1].equals(batch) and got[2].equals(empty)
    assert [type(part) for part in got] == [pyarrow.Table, pyarrow.RecordBatch, pyarrow.RecordBatch]
    with pytest.raises(UnsavableError, match="pyarrow"):
        encode(pyarrow.array([1]))


def test_frames_as_arguments_count_by_their_contents() -> None:
    def step(x): ...  # type: ignore[no-untyped-def]

    digester = ArgumentDigester(step)

    def total(value: Any) -> str:
        return digester.digest((value,), {}).total

    other = FRAME.copy()
    other.loc[0, "i"] = 7
    assert total(FRAME) == total(FRAME.copy()) != total(other)
    assert total(FRAME) != total(FRAME.set_index("i"))
    assert total(FRAME["i"]) != total(FRAME["f"])
    assert total(FRAME.index) == total(FRAME.index.copy()) != total(FRAME.columns)
    assert total(pandas.Timestamp("2026-01-01")) != total(pandas.Timestamp("2026-01-02"))
    assert total(pandas.NaT) != total(pandas.NA)
    assert total(POLARS[0]) == total(POLARS[0].clone()) != total(POLARS[2])
    assert total(POLARS[2]["f"]) != total(POLARS[0]["i"])
    assert total(TABLE) == total(pyarrow.table({"a": [1, None], "b": ["x", "y"]}))
    assert total(TABLE) != total(pyarrow.table({"a": [2, None], "b": ["x", "y"]}))
