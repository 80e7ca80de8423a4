"""Tables, files, images and schemas: what the real libraries raise at real input, and what it is.

The tables say what each failure must be judged as. They were written before the rules, from what the
installed libraries do and from their documentation.
"""

from __future__ import annotations

import importlib
import io
import sqlite3
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.libraries.talk import full_device
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving


class _Lazy:
    """A library that is imported when it is first used: some warn when they are."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(self._name), attribute)


pd = _Lazy("pandas")
np = _Lazy("numpy")
pl = _Lazy("polars")
pa = _Lazy("pyarrow")
pq = _Lazy("pyarrow.parquet")
arrow_csv = _Lazy("pyarrow.csv")
arrow_json = _Lazy("pyarrow.json")
compute = _Lazy("pyarrow.compute")
dataset = _Lazy("pyarrow.dataset")
flight = _Lazy("pyarrow.flight")
image = _Lazy("PIL.Image")
pypdf = _Lazy("pypdf")
pandera = _Lazy("pandera.pandas")
jsonschema = _Lazy("jsonschema")
referencing = _Lazy("referencing")
fsspec = _Lazy("fsspec")
duckdb = _Lazy("duckdb")

Case = tuple[str, Callable[[], Any], str]
NO_PARQUET = b"hello world, this is no parquet file"


def _csv(text: str) -> io.StringIO:
    return io.StringIO(text)


def _frame(**columns: Any) -> Any:
    return pd.DataFrame(columns)


def _raised(fn: Callable[[], Any]) -> BaseException:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BaseException) as raised:
            fn()
    assert not isinstance(raised.value, AssertionError)
    return raised.value


def _tells(table: list[Case]) -> Any:
    """One test for each row: what it is about, the call that fails, the kind. None is retryable."""
    return pytest.mark.parametrize(
        ("fn", "kind"), [(fn, kind) for _, fn, kind in table], ids=[name for name, *_ in table]
    )


# --- pandas


def _sql(statement: str) -> Any:
    with closing(sqlite3.connect(":memory:")) as connection:
        return pd.read_sql(statement, connection)


def _sas(kind: str) -> Any:
    return pd.read_sas(io.BytesIO(b"hello" * 100), format=kind)


PANDAS: list[Case] = [
    ("empty file", lambda: pd.read_csv(_csv("")), "empty_data"),
    ("ragged row", lambda: pd.read_csv(_csv("a,b\n1,2\n1,2,3\n")), "parse_error"),
    (
        "ragged row, python",
        lambda: pd.read_csv(_csv("a,b\n1,2\n1,2,3\n"), engine="python"),
        "parse_error",
    ),
    ("open quote", lambda: pd.read_csv(_csv('a,b\n1,"2\n')), "parse_error"),
    ("open quote, python", lambda: pd.read_csv(_csv('a\n"2\n'), engine="python"), "parse_error"),
    ("latin-1", lambda: pd.read_csv(io.BytesIO(b"a\n\xe9\xff\n")), "encoding_error"),
    ("no date", lambda: pd.to_datetime("not a date"), "invalid_value"),
    ("month 13", lambda: pd.to_datetime("2020-13-45"), "invalid_value"),
    ("year 9999999", lambda: pd.to_datetime(["9999999-01-01"]), "invalid_value"),
    ("out of bounds", lambda: pd.Timestamp("3000-01-01").as_unit("ns"), "invalid_value"),
    ("too long a delta", lambda: pd.Timedelta(10**30), "invalid_value"),
    ("NaN to int", lambda: pd.Series([1.0, float("nan")]).astype(int), "missing_value"),
    ("no common column", lambda: pd.merge(_frame(a=[1]), _frame(b=[1])), "schema_mismatch"),
    (
        "keys not unique",
        lambda: pd.merge(_frame(a=[1, 1]), _frame(a=[1]), validate="1:1"),
        "duplicate",
    ),
    (
        "duplicate labels",
        lambda: pd.Series([1, 2], index=[0, 0]).set_flags(allows_duplicate_labels=False),
        "duplicate",
    ),
    ("index not unique", lambda: pd.Index([1, 1]).get_indexer([1]), "duplicate"),
    ("unknown column in query", lambda: _frame(a=[1]).query("zz > 1"), "schema_mismatch"),
    ("unknown variable in query", lambda: _frame(a=[1]).query("a > @zz"), "bug"),
    (
        "text into a column of numbers",
        lambda: pd.Series([1, 2]).__setitem__(0, "x"),
        "bug",
    ),
    (
        "two frequencies",
        lambda: pd.period_range("2020", periods=2, freq="D") - pd.Period("2020", freq="M"),
        "schema_mismatch",
    ),
    ("no frequency", lambda: pd.DatetimeIndex(["2020-01-01", "2020-01-05"]).shift(1), "bug"),
    ("unknown option", lambda: pd.get_option("nope.nope"), "bug"),
    ("too many indexers", lambda: _frame(a=[1]).iloc[:, :, 1], "bug"),
    ("no such columns", lambda: _frame(a=[1])[["a", "z"]], "schema_mismatch"),
    ("none of the columns", lambda: _frame(a=[1])[["y", "z"]], "schema_mismatch"),
    ("drop a column", lambda: _frame(a=[1]).drop(columns=["z"]), "schema_mismatch"),
    ("index by a column", lambda: _frame(a=[1]).set_index("z"), "schema_mismatch"),
    ("sum of a column", lambda: _frame(a=[1]).agg({"z": "sum"}), "schema_mismatch"),
    ("type of a column", lambda: _frame(a=[1]).astype({"z": int}), "schema_mismatch"),
    ("pivot", lambda: _frame(a=[1]).pivot(index="a", columns="z"), "schema_mismatch"),
    ("melt", lambda: _frame(a=[1]).melt(id_vars=["z"]), "schema_mismatch"),
    ("column, by a bare key", lambda: _frame(a=[1])["z"], "bug"),  # a dict says no more
    ("usecols", lambda: pd.read_csv(_csv("a\n1\n"), usecols=["z"]), "schema_mismatch"),
    ("parse_dates", lambda: pd.read_csv(_csv("a\n1\n"), parse_dates=["z"]), "schema_mismatch"),
    ("index_col", lambda: pd.read_csv(_csv("a\n1\n"), index_col="z"), "schema_mismatch"),
    ("names of columns", lambda: setattr(_frame(a=[1]), "columns", ["x", "y"]), "schema_mismatch"),
    ("lengths", lambda: _frame(a=[1], b=[1, 2]), "schema_mismatch"),
    ("length of a column", lambda: _frame(a=[1]).__setitem__("b", [1, 2]), "schema_mismatch"),
    ("NA", lambda: pd.read_csv(_csv("a,b\n1,\n2,3\n"), dtype={"b": int}), "missing_value"),
    ("no excel", lambda: pd.read_excel(io.BytesIO(b"hello")), "corrupt_file"),
    ("no SAS", lambda: _sas("sas7bdat"), "corrupt_file"),
    ("no XPORT", lambda: _sas("xport"), "corrupt_file"),
    ("missing table", lambda: _sql("select * from nope"), "schema_mismatch"),
    ("no SQL", lambda: _sql("selekt"), "bug"),
    ("no parquet", lambda: pd.read_parquet(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("no feather", lambda: pd.read_feather(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("no pickle", lambda: pd.read_pickle(io.BytesIO(b"<html>")), "corrupt_file"),
    ("no gzip", lambda: pd.read_csv(io.BytesIO(b"x"), compression="gzip"), "corrupt_file"),
    ("no file", lambda: pd.read_csv("none.csv"), "not_found"),
    ("too large", lambda: pd.Series([1.0]).reindex(range(10**14)), "host_out_of_memory"),
]


@_tells(PANDAS)
def test_what_pandas_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False, stage="ingestion")


JSON_TEXTS = [
    *("", "{bad", "[1,2", '{"a":1} {"a":2}', "<html>", "{'a':1}", '[{"a":1},', '{"a":"x', "tru"),
    *('{"a":NaNx}', "nul", '{"a" 1}', "{1:2}", '{"a":"\\q"}', "[1,,2]", '{"a":1', '{"a":"\\u12"}'),
]


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_that_pandas_cannot_read_is_not_read_the_next_time(text: str, judge: Judge) -> None:
    exc = _raised(lambda: pd.read_json(_csv(text)))
    judge(exc, "parse_error", retryable=False, stage="ingestion", category="data")
    judge(exc, "malformed_output", retryable=True, stage="postprocessing", category="model")


def test_json_lines_that_pandas_cannot_read(judge: Judge) -> None:
    exc = _raised(lambda: pd.read_json(_csv('{"a":1}\n{bad\n'), lines=True))
    judge(exc, "parse_error", retryable=False, stage="ingestion")


def test_a_parser_without_memory_is_about_memory(judge: Judge) -> None:
    exc = pd.errors.ParserError("Error tokenizing data. C error: out of memory")
    judge(exc, "host_out_of_memory", retryable=False)


def test_a_locked_database_is_seen_through_pandas(tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path, timeout=0)) as first:
        first.execute("create table t (x)")
        first.commit()
        first.execute("begin exclusive")
        with closing(sqlite3.connect(path, timeout=0)) as second:
            exc = _raised(lambda: pd.read_sql("select * from t", second))
        first.rollback()
    judge(exc, "db_locked", retryable=True)


def test_tables_after_an_inference_are_the_models(judge: Judge) -> None:
    exc = _raised(lambda: pd.read_csv(_csv("a,b\n1,2\n1,2,3\n")))
    judge(exc, "parse_error", retryable=False, stage="postprocessing", category="model")


# --- numpy

NUMPY: list[Case] = [
    ("singular", lambda: np.linalg.inv(np.zeros((2, 2))), "numerical_error"),
    ("not positive definite", lambda: np.linalg.cholesky(-np.eye(2)), "numerical_error"),
    ("NaN", lambda: np.linalg.eig(np.full((2, 2), np.nan)), "numerical_error"),
    ("no convergence", lambda: np.linalg.svd(np.full((2, 2), np.nan)), "numerical_error"),
    ("not square", lambda: np.linalg.inv(np.zeros((2, 3))), "schema_mismatch"),
    ("no matrix", lambda: np.linalg.inv(np.zeros(3)), "schema_mismatch"),
    ("too large", lambda: np.zeros(10**15), "host_out_of_memory"),
    ("axis", lambda: np.zeros(3).sum(axis=4), "bug"),
    ("no loop", lambda: np.add("a", 1), "bug"),
    ("cast", lambda: np.add(1.5, 2, out=np.zeros(1, dtype=int)), "bug"),
    (
        "no common type",
        lambda: np.concatenate([np.array(["2020"], dtype="M8[s]"), np.array([1.5])]),
        "bug",
    ),
    ("mask", lambda: np.ma.MaskedArray([1, 2], mask=[0, 0, 0]), "bug"),
    ("cut off", lambda: np.load(io.BytesIO(b"")), "corrupt_file"),
    ("cut off in its magic", lambda: np.load(io.BytesIO(_array()[:7])), "corrupt_file"),
    ("cut off in its header", lambda: np.load(io.BytesIO(_array()[:11])), "corrupt_file"),
    ("cut off in its data", lambda: np.load(io.BytesIO(_array()[:200])), "corrupt_file"),
    ("a damaged header", lambda: np.load(io.BytesIO(_hole(_array(), 18))), "corrupt_file"),
    ("a damaged key", lambda: np.load(io.BytesIO(_hole(_array(), 37))), "corrupt_file"),
    ("a page", lambda: np.load(io.BytesIO(b"<html>404</html>")), "corrupt_file"),
    ("no such array", lambda: _archive()["zz"], "schema_mismatch"),
    ("objects", lambda: np.load(io.BytesIO(_array(object))), "misconfiguration"),
]


def _array(kind: Any = int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(1_000, dtype=kind))
    return buffer.getvalue()


def _archive() -> Any:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    return np.load(io.BytesIO(buffer.getvalue()))


def _hole(raw: bytes, at: int, size: int = 18) -> bytes:
    return raw[:at] + b"\xff" * size + raw[at + size :]


@_tells(NUMPY)
def test_what_numpy_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False)


def test_an_array_that_is_shorter_than_its_header_says_is_damaged(
    tmp_path: Path, judge: Judge
) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(_array()[:500])
    judge(_raised(lambda: np.load(path, mmap_mode="r")), "corrupt_file", retryable=False)


def test_numpys_floating_point_errors_are_numerical(judge: Judge) -> None:
    with np.errstate(all="raise"):
        exc = _raised(lambda: np.array([1.0]) / np.array([0.0]))
    judge(exc, "numerical_error", retryable=False, stage="inference", category="model")


# --- polars


def _polars(**columns: Any) -> Any:
    return pl.DataFrame(columns or {"a": [1], "s": ["x"]})


def _damaged() -> io.BytesIO:
    """A Parquet file with a hole in its data."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"s": [f"hello {i}" for i in range(10_000)]}), buffer)
    raw = bytearray(buffer.getvalue())
    raw[100:400] = b"\xff" * 300
    return io.BytesIO(bytes(raw))


def _sql_of_polars(statement: str) -> Any:
    return pl.SQLContext(t=_polars()).execute(statement).collect()


POLARS: list[Case] = [
    ("column", lambda: _polars().select("b"), "schema_mismatch"),
    ("column, lazily", lambda: _polars().lazy().select(pl.col("b")).collect(), "schema_mismatch"),
    (
        "field",
        lambda: _polars(a=[{"x": 1}]).select(pl.col("a").struct.field("z")),
        "schema_mismatch",
    ),
    ("vstack", lambda: _polars(a=[1]).vstack(_polars(b=[1])), "schema_mismatch"),
    ("concat", lambda: pl.concat([_polars(a=[1]), _polars(a=["x"])]), "schema_mismatch"),
    ("heights", lambda: _polars(a=[1, 2], b=[1, 2, 3]), "schema_mismatch"),
    ("join keys", lambda: _polars(a=[1]).join(_polars(a=["x"]), on="a"), "schema_mismatch"),
    ("columns alike", lambda: _polars().rename({"s": "a"}), "schema_mismatch"),
    ("comparison", lambda: _polars().filter(pl.col("a") == "x"), "schema_mismatch"),
    ("projections alike", lambda: _polars().select("a", "a"), "bug"),
    ("empty csv", lambda: pl.read_csv(io.BytesIO(b"")), "empty_data"),
    ("no row", lambda: _polars().row(by_predicate=pl.col("a") > 5), "empty_data"),
    ("two rows", lambda: _polars(a=[1, 2]).row(by_predicate=pl.col("a") > 0), "duplicate"),
    (
        "join not unique",
        lambda: _polars(a=[1, 1]).join(_polars(a=[1]), on="a", validate="1:1"),
        "duplicate",
    ),
    ("csv type", lambda: pl.read_csv(io.BytesIO(b"a\nx\n"), schema={"a": pl.Int64}), "parse_error"),
    ("ragged csv", lambda: pl.read_csv(io.BytesIO(b"a,b\n1,2\n1,2,3\n")), "parse_error"),
    ("open quote", lambda: pl.read_csv(io.BytesIO(b'a,b\n1,"2\n')), "parse_error"),
    ("latin-1", lambda: pl.read_csv(io.BytesIO(b"a\n\xe9\xff\n")), "encoding_error"),
    ("json", lambda: pl.read_json(io.BytesIO(b"{bad")), "parse_error"),
    ("no json", lambda: pl.read_json(io.BytesIO(b"")), "empty_data"),
    ("ndjson", lambda: pl.read_ndjson(io.BytesIO(b'{"a":1}\n{bad\n')), "parse_error"),
    ("no ndjson", lambda: pl.read_ndjson(io.BytesIO(b"")), "empty_data"),
    (
        "json in a column",
        lambda: _polars().select(pl.col("s").str.json_decode(pl.Int64)),
        "parse_error",
    ),
    ("no parquet", lambda: pl.read_parquet(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("no bytes", lambda: pl.read_parquet(io.BytesIO(b"")), "corrupt_file"),
    ("damaged parquet", lambda: pl.read_parquet(_damaged()), "corrupt_file"),
    ("no ipc", lambda: pl.read_ipc(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("cast", lambda: _polars().select(pl.col("s").cast(pl.Int64)), "invalid_value"),
    ("date", lambda: _polars().select(pl.col("s").str.to_date("%Y")), "invalid_value"),
    ("any date", lambda: _polars().select(pl.col("s").str.to_datetime()), "invalid_value"),
    ("not in the enum", lambda: pl.Series(["x"], dtype=pl.Enum(["a"])), "invalid_value"),
    ("arithmetic", lambda: _polars().select(pl.col("s") * 2), "bug"),
    ("sum of texts", lambda: _polars().select(pl.col("s").sum()), "bug"),
    ("predicate", lambda: _polars().filter(pl.col("a")), "bug"),
    ("gather", lambda: _polars().select(pl.col("a").gather(9)), "bug"),
    ("row", lambda: _polars().row(9), "bug"),
    ("no SQL", lambda: _sql_of_polars("selekt * from t"), "bug"),
    ("no table", lambda: _sql_of_polars("select * from nope"), "bug"),
    ("no file", lambda: pl.read_csv("none.csv"), "not_found"),
]


@_tells(POLARS)
def test_what_polars_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False, stage="ingestion")


def test_a_full_device_is_seen_through_polars_and_arrow(tmp_path: Path, judge: Judge) -> None:
    # a device of its own: pyarrow removes the target of a write that fails
    path = str(full_device(tmp_path))
    judge(_raised(lambda: _polars().write_parquet(path)), "disk_full", retryable=False)
    exc = _raised(lambda: pq.write_table(pa.table({"a": [1]}), path))
    judge(exc, "disk_full", retryable=False)


def test_a_panic_of_polars_is_a_bug(judge: Judge) -> None:
    judge(pl.exceptions.PanicException("index out of bounds"), "bug", retryable=False)


# --- pyarrow

ARROW: list[Case] = [
    ("no magic bytes", lambda: pq.ParquetFile(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("too small", lambda: pq.ParquetFile(io.BytesIO(b"PAR1")), "corrupt_file"),
    (
        "footer beyond the file",
        lambda: pq.ParquetFile(io.BytesIO(b"PAR1" + b"x" * 20 + b"\xff\xff\x00\x00PAR1")),
        "corrupt_file",
    ),
    ("nothing", lambda: pq.ParquetFile(io.BytesIO(b"")), "empty_data"),
    ("no ipc file", lambda: pa.ipc.open_file(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("no ipc stream", lambda: pa.ipc.open_stream(io.BytesIO(NO_PARQUET)), "corrupt_file"),
    ("cut ipc stream", lambda: pa.ipc.open_stream(io.BytesIO(b"")), "corrupt_file"),
    ("empty csv", lambda: arrow_csv.read_csv(io.BytesIO(b"")), "empty_data"),
    ("empty json", lambda: arrow_json.read_json(io.BytesIO(b"")), "empty_data"),
    ("ragged csv", lambda: arrow_csv.read_csv(io.BytesIO(b"a,b\n1,2\n1,2,3\n")), "parse_error"),
    ("json", lambda: arrow_json.read_json(io.BytesIO(b"{bad")), "parse_error"),
    (
        "json of two types",
        lambda: arrow_json.read_json(io.BytesIO(b'{"a":1}\n{"a":"x"}\n')),
        "schema_mismatch",
    ),
    (
        "csv type",
        lambda: arrow_csv.read_csv(
            io.BytesIO(b"a\nx\n"),
            convert_options=arrow_csv.ConvertOptions(column_types={"a": pa.int64()}),
        ),
        "invalid_value",
    ),
    (
        "csv encoding",
        lambda: arrow_csv.read_csv(
            io.BytesIO(b"a\n\xe9\xff\n"),
            convert_options=arrow_csv.ConvertOptions(column_types={"a": pa.string()}),
        ),
        "encoding_error",
    ),
    (
        "csv column",
        lambda: arrow_csv.read_csv(
            io.BytesIO(b"a\nx\n"),
            convert_options=arrow_csv.ConvertOptions(include_columns=["zz"]),
        ),
        "schema_mismatch",
    ),
    ("two types", lambda: pa.array([1, "x"]), "schema_mismatch"),
    ("lists and values", lambda: pa.array([1, [2]]), "schema_mismatch"),
    ("object", lambda: pa.array([object()]), "schema_mismatch"),
    ("lengths", lambda: pa.table({"a": [1], "b": [1, 2]}), "schema_mismatch"),
    (
        "schemas",
        lambda: pa.concat_tables([pa.table({"a": [1]}), pa.table({"b": ["x"]})]),
        "schema_mismatch",
    ),
    (
        "column of a filter",
        lambda: dataset.dataset(pa.table({"a": [1]})).to_table(filter=dataset.field("zz") > 1),
        "schema_mismatch",
    ),
    ("too large", lambda: pa.array([2**40], type=pa.int32()), "invalid_value"),
    ("text to int", lambda: pa.array(["x"]).cast(pa.int64()), "invalid_value"),
    ("300 to int8", lambda: pa.array([300]).cast(pa.int8()), "invalid_value"),
    ("1.5 to int8", lambda: pa.array([1.5]).cast(pa.int8()), "invalid_value"),
    ("struct to int8", lambda: pa.array([{"a": 1}]).cast(pa.int8()), "schema_mismatch"),
    ("add a text", lambda: compute.add(pa.array(["x"]), pa.array([1])), "schema_mismatch"),
    ("no function", lambda: compute.call_function("nope", [pa.array([1])]), "bug"),
    ("index", lambda: compute.take(pa.array([1]), pa.array([9])), "bug"),
    ("memory", lambda: pa.allocate_buffer(2**50), "host_out_of_memory"),
    ("file system", lambda: pa.fs.FileSystem.from_uri("nope://x"), "misconfiguration"),
    ("no file", lambda: pq.read_table("none.parquet"), "not_found"),
    ("no such field", lambda: pa.table({"a": [1]})["zz"], "schema_mismatch"),
    ("no such column", lambda: pa.table({"a": [1]}).schema.field("zz"), "schema_mismatch"),
    ("drop a column", lambda: pa.table({"a": [1]}).drop(["zz"]), "schema_mismatch"),
    (
        "schema of a frame",
        lambda: pa.Table.from_pandas(_frame(a=[1]), schema=pa.schema([("zz", pa.int64())])),
        "schema_mismatch",
    ),
    (
        "schema of a dict",
        lambda: pa.table({"a": [1]}, schema=pa.schema([("zz", pa.int64())])),
        "schema_mismatch",
    ),
    (
        "cast to another schema",
        lambda: pa.table({"a": [1]}).cast(pa.schema([("zz", pa.int64())])),
        "schema_mismatch",
    ),
    ("a folder", lambda: pa.memory_map("."), "bug"),
    ("a folder, read", lambda: pq.ParquetFile("."), "bug"),
]


@_tells(ARROW)
def test_what_arrow_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False, stage="ingestion")


def _rows() -> Any:
    return pa.table({"s": [f"hello {i}" for i in range(10_000)], "n": list(range(10_000))})


def _parquet(compression: str) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(_rows(), buffer, compression=compression)
    return buffer.getvalue()


def _orc(compression: str) -> bytes:
    buffer = io.BytesIO()
    _Lazy("pyarrow.orc").write_table(_rows(), buffer, compression=compression)
    return buffer.getvalue()


def _feather() -> bytes:
    buffer = io.BytesIO()
    _Lazy("pyarrow.feather").write_feather(_rows(), buffer)
    return buffer.getvalue()


def _stream() -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, _rows().schema) as writer:
        writer.write_table(_rows())
    return buffer.getvalue()


def _spoiled(raw: bytes) -> list[bytes]:
    """The same file with holes at thirty places, and cut off at ten; some hit what nobody reads."""
    step = len(raw) // 31
    holes = [_hole(raw, at * step, min(100, step)) for at in range(1, 31)]
    return holes + _cut(raw)


def _cut(raw: bytes) -> list[bytes]:
    return [raw[: len(raw) * tenth // 10] for tenth in range(1, 10)]


FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any]]] = {
    **{
        f"parquet, {each}": (
            lambda each=each: _parquet(each),
            lambda raw: pq.read_table(io.BytesIO(raw)),
        )
        for each in ("snappy", "gzip", "zstd", "lz4", "brotli", "none")
    },
    **{
        f"orc, {each}": (
            lambda each=each: _orc(each),
            lambda raw: _Lazy("pyarrow.orc").read_table(io.BytesIO(raw)),
        )
        for each in ("uncompressed", "zlib", "snappy", "lz4", "zstd")
    },
    "feather": (_feather, lambda raw: _Lazy("pyarrow.feather").read_table(io.BytesIO(raw))),
    "ipc": (_stream, lambda raw: pa.ipc.open_stream(io.BytesIO(raw)).read_all()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_of_arrow_is_not_read_the_next_time(name: str, judge: Judge) -> None:
    write, read = FORMATS[name]
    failures = 0
    # a hole may end the process: Apache's ORC reader trusts what it reads
    for raw in _cut(write()) if name.startswith("orc") else _spoiled(write()):
        try:
            read(raw)
        except Exception as exc:
            failures += 1
            judge(exc, "corrupt_file", retryable=False, stage="ingestion")
    assert failures > 3


@pytest.mark.parametrize(
    "text",
    [
        "Not an ORC file",
        "Invalid ORC postscript length",
        "SnappyDecompressionStream choked on corrupt input",
        "failed to read in StringDirectColumnReader.next",
        "bad StripeFooter from zstd(ArrowInputFile from 5848 for 75)",
        "Footer is corrupt: types(85) not exists",
        "Read past EOF in DecompressionStream::readBuffer",
        "Invalid page header (negative number of values)",
        "Verification of flatbuffer-encoded Footer failed.",
        "Could not open Parquet input source '<Buffer>': Couldn't deserialize thrift: bad data\n",
    ],
)
def test_what_was_seen_of_damaged_tables_is_not_read_the_next_time(text: str, judge: Judge) -> None:
    judge(OSError(text), "corrupt_file", retryable=False, stage="ingestion")


@pytest.mark.parametrize(
    ("name", "kind", "retryable", "outcome"),
    [
        ("FlightTimedOutError", "timeout", True, "open"),
        ("FlightUnavailableError", "connection", True, "open"),
        ("FlightInternalError", "server_error", True, "open"),
        ("FlightServerError", "server_error", True, "open"),
        ("FlightUnauthenticatedError", "auth", False, "refused"),
        ("FlightUnauthorizedError", "permission", False, "refused"),
        ("FlightCancelledError", "cancelled", False, "open"),
        ("FlightWriteSizeExceededError", "payload_too_large", False, "refused"),
    ],
)
def test_flights_errors_are_those_of_a_service(
    name: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    cls = getattr(flight, name)
    exc = cls("x", 1, 2) if name == "FlightWriteSizeExceededError" else cls("x")
    judge(exc, kind, retryable=retryable, outcome=outcome)


def test_a_flight_server_that_is_not_there_is_worth_another_try(judge: Judge) -> None:
    with flight.connect(f"grpc://127.0.0.1:{closed_port()}") as client:
        exc = _raised(
            lambda: list(client.list_flights(options=flight.FlightCallOptions(timeout=5)))
        )
    judge(exc, "connection", retryable=True)


def test_a_cancelled_scan_passes_through(judge: Judge) -> None:
    judge(pa.lib.ArrowCancelled("Operation cancelled"), "cancelled", retryable=False)


# --- Pillow


def _picture(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.effect_noise((200, 200), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def _load(raw: bytes) -> None:
    with image.open(io.BytesIO(raw)) as picture:
        picture.load()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bomb() -> bytes:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"x")) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _overwritten(raw: bytes) -> bytes:
    third = len(raw) // 3
    return raw[:third] + b"\x55\xaa" * 30 + raw[third + 60 :]


PICTURES: list[Case] = [
    ("no picture", lambda: _load(b"hello"), "corrupt_file"),
    ("a page", lambda: _load(b"<html>404</html>"), "corrupt_file"),
    ("nothing", lambda: _load(b""), "corrupt_file"),
    ("half a PNG", lambda: _load(_picture()[:2_000]), "corrupt_file"),
    ("half a JPEG", lambda: _load(_picture("JPEG")[:2_000]), "corrupt_file"),
    ("half a GIF", lambda: _load(_picture("GIF")[:9_000]), "corrupt_file"),
    ("half a BMP", lambda: _load(_picture("BMP")[:9_000]), "corrupt_file"),
    ("half a TIFF", lambda: _load(_picture("TIFF")[:-5_000]), "corrupt_file"),
    ("damaged PNG", lambda: _load(_overwritten(_picture())), "corrupt_file"),
    ("bomb", lambda: _load(_bomb()), "payload_too_large"),
    (
        "damaged profile",
        lambda: _Lazy("PIL.ImageCms").getOpenProfile(io.BytesIO(b"nope")),
        "corrupt_file",
    ),
    ("no PDF", lambda: _Lazy("PIL.PdfParser").PdfParser(buf=b"%PDF-1.4 x"), "corrupt_file"),
    ("no file", lambda: image.open("none.png"), "not_found"),
    ("frame of a GIF", lambda: image.open(io.BytesIO(_picture("GIF"))).seek(5), "bug"),
    ("page of a TIFF", lambda: image.open(io.BytesIO(_picture("TIFF"))).seek(5), "bug"),
    ("mode", lambda: image.new("RGBA", (2, 2)).save(io.BytesIO(), "JPEG"), "invalid_value"),
    ("too few bytes", lambda: image.frombytes("RGB", (9, 9), b"x"), "corrupt_file"),
    ("long text", lambda: _load(_texts(4_000_000)), "payload_too_large"),
    ("long texts", lambda: _load(_texts(1_000_000, 70)), "payload_too_large"),
    ("no such font", lambda: _font("none.ttf"), "misconfiguration"),
    ("no font", lambda: _font(io.BytesIO(b"hello")), "misconfiguration"),
]


def _font(source: Any) -> None:
    _Lazy("PIL.ImageFont").truetype(source)


def _texts(size: int, number: int = 1) -> bytes:
    text = _chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * size)) * number
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    end = _chunk(b"IDAT", zlib.compress(b"\0abc")) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + text + end


PICTURE_FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM", "ICO", "TGA"]


@pytest.mark.parametrize("kind", PICTURE_FORMATS)
def test_a_damaged_picture_is_not_read_the_next_time(kind: str, judge: Judge) -> None:
    failures = 0
    for raw in _spoiled(_picture(kind)):
        try:
            _load(raw)
        except Exception as exc:
            failures += 1
            judge(exc, "corrupt_file", retryable=False, stage="ingestion")
    assert failures > 3


def test_a_damaged_picture_in_a_compressed_tiff_is_not_read_the_next_time(judge: Judge) -> None:
    buffer = io.BytesIO()
    image.effect_noise((200, 200), 50).convert("RGB").save(buffer, "TIFF", compression="tiff_lzw")
    raw = buffer.getvalue()
    exc = _raised(lambda: _load(_hole(raw, len(raw) // 3, 1_000)))
    judge(exc, "corrupt_file", retryable=False, stage="ingestion")


@_tells(PICTURES)
def test_what_pillow_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False, stage="ingestion")


def test_a_warning_of_a_bomb_that_is_an_error_is_about_size(
    monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    monkeypatch.setattr(importlib.import_module("PIL.Image"), "MAX_IMAGE_PIXELS", 30_000)
    raw = _picture()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Warning) as raised:
            _load(raw)
    judge(raised.value, "payload_too_large", retryable=False)


# --- pypdf


def _pdf(password: str = "") -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _read(raw: bytes, **options: Any) -> None:
    for page in pypdf.PdfReader(io.BytesIO(raw), **options).pages:
        page.extract_text()


PDFS: list[Case] = [
    ("nothing", lambda: _read(b""), "empty_data"),
    ("no PDF", lambda: _read(b"hello world" * 100), "corrupt_file"),
    ("no PDF, strictly", lambda: _read(b"hello world" * 100, strict=True), "corrupt_file"),
    ("a page", lambda: _read(b"<html>404</html>"), "corrupt_file"),
    ("half a PDF", lambda: _read(_pdf()[:200]), "corrupt_file"),
    ("no table", lambda: _read(b"%PDF-1.4\n%%EOF"), "corrupt_file"),
    ("damaged", lambda: _read(_pdf()[:60] + b"\0" * 8 + _pdf()[68:]), "corrupt_file"),
    ("with a password", lambda: _read(_pdf("secret")), "invalid_value"),
    ("with another password", lambda: _read(_pdf("secret"), password="x"), "invalid_value"),
    ("page range", lambda: pypdf.PageRange("x:y"), "parse_error"),
    ("no file", lambda: pypdf.PdfReader("none.pdf"), "not_found"),
]


@_tells(PDFS)
def test_what_pypdf_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False, stage="ingestion")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LimitReachedError", "payload_too_large"),
        ("EmptyImageDataError", "empty_data"),
        ("PageSizeNotDefinedError", "corrupt_file"),
        ("XmpDocumentError", "corrupt_file"),
        ("DependencyError", "misconfiguration"),
        ("DeprecationError", "bug"),
    ],
)
def test_pypdfs_other_errors_are_known(name: str, kind: str, judge: Judge) -> None:
    judge(getattr(_Lazy("pypdf.errors"), name)("x"), kind, retryable=False)


# --- pandera


def _validate(data: Any, lazy: bool = False, **columns: Any) -> None:
    columns = columns or {
        "a": pandera.Column(int),
        "b": pandera.Column(float, pandera.Check.gt(0)),
    }
    pandera.DataFrameSchema(columns, strict=True).validate(data, lazy=lazy)


def _raises(series: Any) -> Any:
    raise ZeroDivisionError


TABLES: list[Case] = [
    ("column missing", lambda: _frame(a=[1]), "schema_mismatch"),
    ("column too many", lambda: _frame(a=[1], b=[1.0], c=[1]), "schema_mismatch"),
    ("type", lambda: _frame(a=["x"], b=[1.0]), "schema_mismatch"),
    ("value", lambda: _frame(a=[1], b=[-1.0]), "invalid_value"),
    ("null", lambda: _frame(a=[1], b=[float("nan")]), "missing_value"),
]


@pytest.mark.parametrize("lazy", [False, True], ids=["first error", "all errors"])
@_tells(TABLES)
def test_a_table_that_fits_no_schema_is_known(
    fn: Callable[[], Any], kind: str, lazy: bool, judge: Judge
) -> None:
    exc = _raised(lambda: _validate(fn(), lazy))
    judge(exc, kind, retryable=False, stage="ingestion", category="data")


@pytest.mark.parametrize("lazy", [False, True], ids=["first error", "all errors"])
def test_a_column_that_should_be_unique_is_a_duplicate(lazy: bool, judge: Judge) -> None:
    exc = _raised(lambda: _validate(_frame(a=[1, 1]), lazy, a=pandera.Column(int, unique=True)))
    judge(exc, "duplicate", retryable=False)


@pytest.mark.parametrize("lazy", [False, True], ids=["first error", "all errors"])
def test_a_check_that_raises_is_a_bug(lazy: bool, judge: Judge) -> None:
    column = pandera.Column(int, pandera.Check(_raises))
    exc = _raised(lambda: _validate(_frame(a=[1]), lazy, a=column))
    judge(exc, "bug", retryable=False)


def test_a_value_that_cannot_be_coerced_is_of_another_type(judge: Judge) -> None:
    exc = _raised(lambda: _validate(_frame(a=["x"]), a=pandera.Column(int, coerce=True)))
    judge(exc, "schema_mismatch", retryable=False)


def test_of_many_errors_the_structure_counts_first(judge: Judge) -> None:
    exc = _raised(lambda: _validate(_frame(a=["x"], b=[-1.0], c=[1]), lazy=True))
    judge(exc, "schema_mismatch", retryable=False)


def test_a_decorated_function_says_the_same(judge: Judge) -> None:
    schema = pandera.DataFrameSchema({"a": pandera.Column(int)})
    exc = _raised(lambda: pandera.check_input(schema)(len)(_frame(b=[1])))
    judge(exc, "schema_mismatch", retryable=False)


def test_panderas_polars_says_the_same(judge: Judge) -> None:
    frames = _Lazy("pandera.polars")
    schema = frames.DataFrameSchema({"a": frames.Column(int)})
    exc = _raised(lambda: schema.validate(_polars(b=[1])))
    judge(exc, "schema_mismatch", retryable=False)


def test_a_schema_that_cannot_be_is_a_bug(judge: Judge) -> None:
    schema = pandera.DataFrameSchema({"a": pandera.Column(int)})
    judge(_raised(lambda: schema.remove_columns(["zz"])), "bug", retryable=False)


def test_tables_of_a_models_answer_are_the_models(judge: Judge) -> None:
    exc = _raised(lambda: _validate(_frame(a=[1])))
    judge(exc, "schema_mismatch", retryable=False, stage="postprocessing", category="model")


# --- jsonschema

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "integer", "minimum": 0}, "e": {"enum": [1]}},
    "additionalProperties": False,
}


def _fits(value: Any, schema: Any = SCHEMA) -> None:
    jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


DOCUMENTS: list[Case] = [
    ("property missing", lambda: _fits({}), "missing_value"),
    ("type", lambda: _fits({"a": "x"}), "schema_mismatch"),
    ("property too many", lambda: _fits({"a": 1, "z": 2}), "schema_mismatch"),
    (
        "none of two",
        lambda: _fits(3, {"anyOf": [{"type": "string"}, {"minimum": 9}]}),
        "schema_mismatch",
    ),
    ("nothing allowed", lambda: _fits(3, False), "schema_mismatch"),
    ("minimum", lambda: _fits({"a": -1}), "invalid_value"),
    ("enum", lambda: _fits({"a": 1, "e": 2}), "invalid_value"),
    ("format", lambda: _fits("x", {"format": "date"}), "invalid_value"),
    ("pattern", lambda: _fits("x", {"pattern": "^a"}), "invalid_value"),
    ("not unique", lambda: _fits([1, 1], {"uniqueItems": True}), "invalid_value"),
    ("checked by hand", lambda: jsonschema.FormatChecker().check("x", "date"), "invalid_value"),
]


@pytest.mark.parametrize("stage", ["ingestion", "preprocessing", None])
@_tells(DOCUMENTS)
def test_a_document_that_fits_no_schema_is_our_data(
    fn: Callable[[], Any], kind: str, stage: str | None, judge: Judge
) -> None:
    judge(_raised(fn), kind, retryable=False, stage=stage, category="data")


@pytest.mark.parametrize("stage", ["inference", "postprocessing"])
@_tells(DOCUMENTS)
def test_after_an_inference_the_answer_of_the_model_is_at_fault(
    fn: Callable[[], Any], kind: str, stage: str, judge: Judge
) -> None:
    judge(_raised(fn), "malformed_output", retryable=True, stage=stage, category="model")


SCHEMAS: list[Case] = [
    ("unknown type", lambda: _fits({}, {"type": "nope"}), "misconfiguration"),
    (
        "unchecked type",
        lambda: jsonschema.Draft7Validator({"type": "nope"}).validate(3),
        "misconfiguration",
    ),
    ("nowhere", lambda: _fits({}, {"$ref": "#/definitions/x"}), "misconfiguration"),
    ("no anchor", lambda: _fits({}, {"$ref": "#nope"}), "misconfiguration"),
    ("dialect", lambda: referencing.Resource.from_contents({"x": 1}), "misconfiguration"),
    (
        "unknown dialect",
        lambda: referencing.Resource.from_contents({"$schema": "urn:nope"}),
        "misconfiguration",
    ),
    ("resource", lambda: referencing.Registry()["nope"], "misconfiguration"),
    ("type checker", lambda: jsonschema.Draft7Validator.TYPE_CHECKER.remove("zz"), "bug"),
]


@pytest.mark.parametrize("stage", ["ingestion", "inference", None])
@_tells(SCHEMAS)
def test_a_schema_that_is_wrong_is_no_data(
    fn: Callable[[], Any], kind: str, stage: str | None, judge: Judge
) -> None:
    judge(_raised(fn), kind, retryable=False, stage=stage)


def test_a_schema_that_cannot_be_fetched_is_worth_another_try(judge: Judge) -> None:
    url = f"http://127.0.0.1:{closed_port()}/schema.json"
    judge(_raised(lambda: _fits({}, {"$ref": url})), "connection", retryable=True)


# --- fsspec and s3fs


@pytest.mark.filterwarnings("ignore")
def test_a_refused_connection_is_seen_through_fsspec(judge: Judge) -> None:
    url = f"http://127.0.0.1:{closed_port()}/x"
    exc = _raised(lambda: fsspec.open(url).open().read())
    judge(exc, "connection", retryable=True)


def test_fsspecs_timeout_is_one(judge: Judge) -> None:
    judge(_Lazy("fsspec.exceptions").FSTimeoutError(), "timeout", retryable=True)


FILES: list[Case] = [
    ("no file", lambda: fsspec.filesystem("memory").open("/none"), "not_found"),
    ("no zip", lambda: fsspec.filesystem("zip", fo=io.BytesIO(b"nope")), "corrupt_file"),
    ("no package", lambda: fsspec.filesystem("gcs"), "misconfiguration"),
    ("a folder", lambda: fsspec.filesystem("memory").open("/"), "bug"),
    ("below a file", lambda: _below_a_file(), "bug"),
    (
        "cached with other blocks",
        lambda: _raise(_Lazy("fsspec.exceptions").BlocksizeMismatchError("x")),
        "misconfiguration",
    ),
    (
        "no target",
        lambda: fsspec.filesystem(
            "reference",
            fo={"version": 1, "refs": {"a": ["/none/x", 0, 1]}},
            remote_protocol="file",
        ).cat("a"),
        "not_found",
    ),
]


def _raise(exc: BaseException) -> None:
    raise exc


def _below_a_file() -> None:
    files = fsspec.filesystem("memory")
    files.pipe_file("/file", b"x")
    files.mkdir("/file/folder")


@_tells(FILES)
def test_what_fsspec_refuses_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False)


@pytest.mark.parametrize(
    ("code", "kind", "retryable", "outcome"),
    [
        ("RESOURCE_DOES_NOT_EXIST", "not_found", False, "refused"),
        ("RESOURCE_ALREADY_EXISTS", "duplicate", False, "refused"),
        ("PERMISSION_DENIED", "permission", False, "refused"),
        ("MAX_BLOCK_SIZE_EXCEEDED", "payload_too_large", False, "refused"),
        ("INTERNAL_ERROR", "server_error", True, "open"),
    ],
)
def test_databricks_files_say_what_failed(
    code: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    cls = _Lazy("fsspec.implementations.dbfs").DatabricksException
    judge(cls(error_code=code, message="x"), kind, retryable=retryable, outcome=outcome)


def _s3(url: str) -> Any:
    return _Lazy("s3fs").S3FileSystem(
        key="a",
        secret="b",
        client_kwargs={"endpoint_url": url, "region_name": "us-east-1"},
        config_kwargs={
            "retries": {"max_attempts": 0},
            "connect_timeout": 2,
            "read_timeout": 1,
            "s3": {"addressing_style": "path"},
        },
        skip_instance_cache=True,
        use_listings_cache=False,
    )


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (403, "AccessDenied", "permission", False),
        (403, "InvalidAccessKeyId", "auth", False),
        (403, "SignatureDoesNotMatch", "auth", False),
        (404, "NoSuchBucket", "misconfiguration", False),
        (503, "SlowDown", "resource_exhausted", True),
        (500, "InternalError", "server_error", True),  # EREMOTEIO
        (502, "", "server_error", True),  # EIO
        (504, "", "timeout", True),
        (429, "", "rate_limited", True),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_s3_answers_is_seen_through_s3fs(
    status: int, code: str, kind: str, retryable: bool, judge: Judge
) -> None:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>x</Message></Error>'
    with serving() as (url, answer):
        answer(Answer(status, body.encode(), {"Content-Type": "application/xml"}))
        exc = _raised(lambda: _s3(url).ls("bucket/folder"))
    judge(exc, kind, retryable=retryable)


@pytest.mark.filterwarnings("ignore")
def test_s3_that_cannot_be_reached_is_worth_another_try(judge: Judge) -> None:
    exc = _raised(lambda: _s3(f"http://127.0.0.1:{closed_port()}").ls("bucket/folder"))
    judge(exc, "connection", retryable=True, outcome="refused")
    with misbehaving("hang") as url:
        judge(_raised(lambda: _s3(url).ls("bucket/folder")), "timeout", retryable=True)


# --- S3 by pyarrow: OSErrors without errno, whose text has the name of the error, a status, or curl's code


def _arrows_s3(url: str) -> Any:
    filesystem = _Lazy("pyarrow.fs")
    return filesystem.S3FileSystem(
        access_key="a",
        secret_key="b",
        endpoint_override=url.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        connect_timeout=2,
        request_timeout=1,
        retry_strategy=filesystem.AwsStandardS3RetryStrategy(max_attempts=1),
    )


def _listed(url: str) -> None:
    _arrows_s3(url).get_file_info(_Lazy("pyarrow.fs").FileSelector("bucket/"))


def _opened(url: str) -> None:
    _arrows_s3(url).open_input_file("bucket/key")


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable", "outcome"),
    [
        (403, "AccessDenied", "permission", False, "refused"),
        (403, "InvalidAccessKeyId", "auth", False, "refused"),
        (403, "SignatureDoesNotMatch", "auth", False, "refused"),
        (401, "Other", "auth", False, "refused"),
        (400, "ExpiredToken", "auth_expired", False, "refused"),
        (403, "RequestTimeTooSkewed", "misconfiguration", False, "refused"),
        (404, "NoSuchBucket", "misconfiguration", False, "refused"),
        (404, "NoSuchKey", "not_found", False, "refused"),
        (301, "PermanentRedirect", "misconfiguration", False, "refused"),
        (400, "Other", "invalid_request", False, "refused"),
        (429, "Other", "rate_limited", True, "refused"),
        (503, "SlowDown", "rate_limited", True, "refused"),
        (503, "ServiceUnavailable", "server_error", True, "open"),
        (500, "InternalError", "server_error", True, "open"),
        (502, "Other", "server_error", True, "open"),
        (400, "RequestTimeout", "timeout", True, "open"),
    ],
)
def test_what_s3_answers_is_seen_through_arrow(
    status: int, code: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>x</Message></Error>'
    with serving() as (url, answer):
        answer(Answer(status, body.encode(), {"Content-Type": "application/xml"}))
        exc = _raised(lambda: _listed(url))
    assert type(exc) is OSError
    judge(exc, kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (403, "permission", False),
        (404, "not_found", False),
        (400, "invalid_request", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (503, "server_error", True),
    ],
)
def test_an_answer_without_a_body_goes_by_its_status(
    status: int, kind: str, retryable: bool, judge: Judge
) -> None:
    with serving() as (url, answer):
        answer(Answer(status, b"", {}))
        judge(_raised(lambda: _opened(url)), kind, retryable=retryable)


def test_s3_that_arrow_cannot_reach_is_worth_another_try(judge: Judge) -> None:
    exc = _raised(lambda: _opened(f"http://127.0.0.1:{closed_port()}"))
    judge(exc, "connection", retryable=True, outcome="refused")
    exc = _raised(lambda: _opened("http://nothing.invalid:80"))
    judge(exc, "dns", retryable=True, outcome="refused")
    for how, kind in (("hang", "timeout"), ("reset", "connection"), ("close", "connection")):
        with misbehaving(how) as url:
            judge(_raised(lambda url=url: _opened(url)), kind, retryable=True, outcome="open")


# --- DuckDB


def _duck(statement: str, **config: str) -> Any:
    with closing(duckdb.connect(config={"autoinstall_known_extensions": "false", **config})) as it:
        return it.execute(statement).fetchall()


DUCKS: list[tuple[str, str, str]] = [
    ("no SQL", "selekt 1", "bug"),
    ("table", "select * from nope", "schema_mismatch"),
    ("function", "select nope(1)", "bug"),
    ("type name", "select 1::nopetype", "bug"),
    ("setting", "set nope = 1", "misconfiguration"),
    ("table twice", "create table t (a int); create table t (a int)", "duplicate"),
    ("column", "select zz from (select 1 a)", "schema_mismatch"),
    ("field", "select {'a': 1}.b", "schema_mismatch"),
    ("types", "select 'a' + [1]", "bug"),
    ("grouping", "select a, b from (select 1 a, 2 b) group by a", "bug"),
    ("cast", "select 'x'::int", "invalid_value"),
    ("date", "select '2020-13-45'::date", "invalid_value"),
    ("range", "select 300::tinyint", "invalid_value"),
    ("enum", "create type m as enum ('a'); select 'b'::m", "invalid_value"),
    ("overflow", "select 9223372036854775807::bigint + 1", "invalid_value"),
    ("time", "select strptime('x', '%Y')", "invalid_value"),
    ("json", "select json('{bad')", "parse_error"),
    ("null", "create table t (a int not null); insert into t values (null)", "missing_value"),
    ("key", "create table t (a int primary key); insert into t values (1), (1)", "duplicate"),
    ("check", "create table t (a int check (a > 3)); insert into t values (1)", "invalid_value"),
    (
        "foreign key",
        (
            "create table p (a int primary key); create table t (a int references p (a)); "
            "insert into t values (1)"
        ),
        "invalid_value",
    ),
    ("no file", "select * from read_csv('none.csv')", "not_found"),
    ("no folder", "copy (select 1) to 'none/x.csv'", "not_found"),
    ("no database", "attach 'none.db' as x (read_only)", "not_found"),
    ("no extension", "load nopeext", "misconfiguration"),
    ("no transaction", "commit", "bug"),
    ("two transactions", "begin; begin", "bug"),
    ("two rows", "select (select * from range(2))", "bug"),
    (
        "memory",
        (
            "set memory_limit = '1MB'; set temp_directory = ''; "
            "select list(i) from range(100000000) t(i)"
        ),
        "host_out_of_memory",
    ),
    (
        "not allowed",
        "set enable_external_access = false; select * from read_csv('x.csv')",
        "permission",
    ),
    ("locked settings", "set lock_configuration = true; set threads = 2", "misconfiguration"),
]


@pytest.mark.parametrize(
    ("statement", "kind"), [row[1:] for row in DUCKS], ids=[row[0] for row in DUCKS]
)
def test_what_duckdb_refuses_is_known(
    statement: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    monkeypatch.chdir(tmp_path)
    judge(_raised(lambda: _duck(statement)), kind, retryable=False)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("x.parquet", NO_PARQUET, "corrupt_file"),
        ("x.parquet", b"", "corrupt_file"),
        ("x.json", b"{bad", "parse_error"),
        ("x.csv", b"a,b\n1,2\n1,2,3\n", "parse_error"),
        ("x.csv", b"a\n\xe9\xff\n", "encoding_error"),
        ("x.csv", b"a,b\n1,x\n", "invalid_value"),
    ],
    ids=["no parquet", "nothing", "json", "ragged csv", "latin-1", "csv type"],
)
def test_a_file_that_duckdb_cannot_read_is_data(
    name: str, content: bytes, kind: str, tmp_path: Path, judge: Judge
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    columns = "columns = {'a': 'INT', 'b': 'INT'}, header = true, auto_detect = false, delim = ','"
    source = f"read_csv('{path}', {columns})" if name == "x.csv" else f"'{path}'"
    if kind == "encoding_error":  # a column of text
        source = f"read_csv('{path}', header = true)"
    judge(_raised(lambda: _duck(f"select * from {source}")), kind, retryable=False)


def test_two_transactions_at_one_row_are_in_conflict(judge: Judge) -> None:
    with closing(duckdb.connect()) as connection:
        connection.execute("create table t (a int); insert into t values (1)")
        with closing(connection.cursor()) as one, closing(connection.cursor()) as two:
            one.execute("begin; update t set a = 2")
            exc = _raised(lambda: two.execute("begin; update t set a = 3"))
    judge(exc, "transaction_conflict", retryable=True, outcome="refused")


def test_a_database_that_another_process_holds_is_locked(tmp_path: Path, judge: Judge) -> None:
    path = str(tmp_path / "a.db")
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        exc = _raised(lambda: duckdb.connect(path))
    judge(exc, "db_locked", retryable=True, outcome="refused")


def test_an_interrupted_query_passes_through(judge: Judge) -> None:
    with closing(duckdb.connect()) as connection:
        timer = threading.Timer(0.3, connection.interrupt)
        timer.start()
        exc = _raised(
            lambda: connection.execute("select sum(a.range) from range(10000000000) a, range(99) b")
        )
        timer.join()
    judge(exc, "cancelled", retryable=False)


DUCK_USE: list[Case] = [
    ("closed", lambda: _closed().execute("select 1"), "bug"),
    ("parameters", lambda: duckdb.connect().execute("select ?"), "bug"),
    ("option", lambda: duckdb.connect(config={"nope": "1"}), "misconfiguration"),
]


def _closed() -> Any:
    connection = duckdb.connect()
    connection.close()
    return connection


@_tells(DUCK_USE)
def test_wrong_use_of_duckdb_is_known(fn: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(_raised(fn), kind, retryable=False)


def test_a_database_that_is_read_only_cannot_be_written(tmp_path: Path, judge: Judge) -> None:
    path = str(tmp_path / "a.db")
    duckdb.connect(path).close()
    with closing(duckdb.connect(path, read_only=True)) as connection:
        exc = _raised(lambda: connection.execute("create table x (a int)"))
    judge(exc, "permission", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, "not_found", False),
        (403, "permission", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
    ],
)
def test_duckdbs_http_errors_go_by_their_status(
    status: int, kind: str, retryable: bool, judge: Judge
) -> None:
    # its httpfs is fetched from the network; the attributes are those of DuckDB's documentation
    exc = duckdb.HTTPException(f"HTTP Error: HTTP GET error on 'x' (HTTP {status})")
    exc.status_code = status
    judge(exc, kind, retryable=retryable)
