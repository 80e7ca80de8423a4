"""The settings of incidents: the table ``[incidents]``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..clock import seconds_of
from ..errors import ConfigError

__all__ = ["DAY", "IncidentOptions", "incident_options"]

DAY = 86_400.0


@dataclass(frozen=True)
class IncidentOptions:
    """How failures become incidents.

    ``regression_after`` is how many seconds a resolved incident must have been quiet for its next
    failure to count as a regression. ``locals``: the local variables of a failure's frames are kept,
    scrubbed.
    """

    regression_after: float = DAY
    locals: bool = False


def incident_options(table: Any, place: str | None = None) -> IncidentOptions:
    """The table ``[incidents]``.

    :param place: where it stands, e.g. a file's name.
    :raises ConfigError: a key or a value is wrong; the message names the place and the nearest key.

    >>> incident_options({"regression_after": "2d"}).regression_after
    172800.0
    """
    where = f"{place}: [incidents]" if place else "[incidents]"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of settings")
    known = [field.name for field in fields(IncidentOptions)]
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{_nearest(str(key), known)}")
        if key == "locals":
            if not isinstance(value, bool):
                raise ConfigError(f"{where}: locals = {value!r} must be true or false")
            found[key] = value
        else:
            found[key] = _seconds(value, f"{where}: {key} = {value!r}")
    return IncidentOptions(**found)


def _seconds(value: Any, what: str) -> float:
    try:
        if isinstance(value, str):
            value = seconds_of(value)
        if not isinstance(value, bool) and isinstance(value, (int, float)):
            if math.isfinite(value) and value >= 0:
                return float(value)
    except ValueError:
        pass
    raise ConfigError(f"{what} must be a number of seconds, or as '90s', '15m', '2h', '3d', '1w'")


def _nearest(key: str, known: list[str]) -> str:
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(key.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
