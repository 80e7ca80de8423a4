"""pandas frames, series and indexes as Arrow, and pandas' own scalars.

Arrow does not hold all that pandas does: a column of objects may come back as something else (a
dictionary gets missing keys, a tuple becomes a list). So what was written is read again at once and
compared; what differs is refused, by the name of its column.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .refusal import Refused

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["load", "plan", "read", "whole"]

_COLUMNS = b"surefoot.columns"
_SERIES = "__surefoot_series__"


def plan(cls: type) -> Plan | None:
    """How pandas values of exactly this class are written, or None."""
    import pandas

    if cls is pandas.DataFrame:
        return lambda writer, value: _tag(writer, "DataFrame", value)
    if cls is pandas.Series:
        return _series
    if issubclass(cls, pandas.Index):
        return _index
    if cls is pandas.Timestamp:
        return _timestamp
    if cls is pandas.Timedelta:
        return lambda _, value: {"$": "pd", "c": "Timedelta", "v": value.value, "u": value.unit}
    if cls is type(pandas.NaT):
        return lambda _, value: {"$": "pd", "c": "NaT"}
    if cls is type(pandas.NA):
        return lambda _, value: {"$": "pd", "c": "NA"}
    return None


def whole(value: Any) -> tuple[str, bytes] | None:
    """A frame that is the whole checkpoint is an Arrow stream with pandas' metadata."""
    import pandas

    return ("arrow+pandas", _frame(value)) if type(value) is pandas.DataFrame else None


def read(data: bytes) -> Any:
    """The frame in an Arrow stream."""
    import pandas

    from . import lib_arrow

    table = lib_arrow.read(data)
    frame = table.to_pandas()
    columns = (table.schema.metadata or {}).get(_COLUMNS)
    if columns is not None:
        frame.columns = pandas.RangeIndex(*json.loads(columns), name=frame.columns.name)
    return frame


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    import pandas

    if tag["$"] == "pd":
        if tag["c"] == "Timestamp":
            moment = pandas.Timestamp(tag["v"]).as_unit(tag["u"])
            if tag["tz"] is not None:
                moment = moment.tz_localize("UTC").tz_convert(tag["tz"])
            return moment
        if tag["c"] == "Timedelta":
            return pandas.Timedelta(tag["v"], "ns").as_unit(tag["u"])
        return pandas.NaT if tag["c"] == "NaT" else pandas.NA
    frame = read(reader.blob(tag["v"]))
    if tag["c"] == "DataFrame":
        return frame
    if tag["c"] == "Index":
        return frame.index
    series = frame[_SERIES]
    series.name = tag["n"]
    return series


def _tag(writer: Writer, kind: str, frame: Any) -> dict[str, Any]:
    return {"$": "pandas", "c": kind, "v": writer.blob(_frame(frame))}


def _series(writer: Writer, value: Any) -> Any:
    return _tag(writer, "Series", value.to_frame(_SERIES)) | {"n": writer.tree(value.name)}


def _index(writer: Writer, value: Any) -> Any:
    import pandas

    return _tag(writer, "Index", pandas.DataFrame({_SERIES: 0}, index=value))


def _timestamp(_: Writer, value: Any) -> Any:
    from .writing import zone

    naive = value.tz_convert("UTC").tz_localize(None) if value.tzinfo is not None else value
    return {
        "$": "pd",
        "c": "Timestamp",
        "v": naive.isoformat(),
        "u": value.unit,
        "tz": zone(value.tzinfo),
    }


def _frame(frame: Any) -> bytes:
    import pandas

    try:
        from .lib_arrow import pyarrow_module

        pyarrow = pyarrow_module()
    except ImportError:
        raise Refused(
            'is a pandas object, and saving one needs pyarrow: pip install "surefoot[frames]"'
        ) from None
    from . import lib_arrow

    try:
        if frame.attrs and json.loads(json.dumps(frame.attrs)) != frame.attrs:
            raise TypeError("JSON would change its `attrs`")
        if frame.columns.nlevels == 1 and "mixed" in frame.columns.inferred_type:
            raise TypeError("its column names are of several types")
        table = pyarrow.Table.from_pandas(frame)
        if type(frame.columns) is pandas.RangeIndex:  # Arrow would make an index of numbers of it
            columns = [frame.columns.start, frame.columns.stop, frame.columns.step]
            said = {**table.schema.metadata, _COLUMNS: json.dumps(columns)}
            table = table.replace_schema_metadata(said)
        data = lib_arrow.to_stream(table)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as exc:
        raise Refused(f"is a pandas object that Arrow cannot hold ({exc})") from exc
    _compare(frame, read(data))
    return data


def _compare(before: Any, after: Any) -> None:
    for what in ("index", "columns"):
        one, other = getattr(before, what), getattr(after, what)
        if not _same_index(one, other):
            raise Refused(f"is a pandas object whose {what} would come back as something else")
        if getattr(one, "freq", None) != getattr(other, "freq", None):
            raise Refused(f"is a pandas object with a `freq`; set `{what}.freq = None`")
    for position, name in enumerate(before.columns):
        one, other = before.iloc[:, position], after.iloc[:, position]
        if one.dtype != other.dtype or not _same(one, other):
            raise Refused(
                f"is a pandas object whose column {name!r} ({one.dtype}) would come back as "
                f"something else ({other.dtype}); give it a type, or return plain data"
            )


def _same_index(one: Any, other: Any) -> bool:
    alike = type(one) is type(other) and list(one.names) == list(other.names)
    if not alike or one.nlevels == 1:
        return alike and one.dtype == other.dtype and _same(one, other)
    levels = range(one.nlevels)
    return all(_same_index(one.get_level_values(n), other.get_level_values(n)) for n in levels)


def _same(one: Any, other: Any) -> bool:
    if not one.equals(other):
        return False
    if one.dtype != object:
        return True
    return all(type(a) is type(b) and _same_object(a, b) for a, b in zip(one, other))


def _same_object(a: Any, b: Any) -> bool:
    if isinstance(a, (str, bytes, bool, int, float, type(None))):
        return True  # `equals` has compared them
    return repr(a) == repr(b)
