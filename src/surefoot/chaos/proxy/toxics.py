"""Which toxics there are, and which attributes each has: Toxiproxy's nine and Surefoot's own.

Toxiproxy's names, defaults and units are those of its version 2.12 (its README, "Toxics").
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EXTENSIONS", "FIRST_N", "KINDS", "Attribute", "BadAttribute", "Kind", "merged"]

Value = int | float | str


class BadAttribute(ValueError):
    """An attribute that has the wrong type or makes no sense; the text says which and why."""


@dataclass(frozen=True)
class Attribute:
    """One setting of a toxic. ``default`` None: it is not there unless it was given."""

    name: str
    type: type
    default: Value | None = 0
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None

    def read(self, value: Any) -> Value:
        """
        :raises BadAttribute: the value is not of this attribute's type or range.
        """
        whole = isinstance(value, int) and not isinstance(value, bool)
        if self.type is float and (whole or isinstance(value, float)):
            value = float(value)
        elif not (whole if self.type is int else type(value) is self.type):
            raise BadAttribute(f"{self.name} must be {_A[self.type]}, not {value!r}")
        if self.lowest is not None and value < self.lowest:
            raise BadAttribute(f"{self.name} must be at least {self.lowest:g}, not {value!r}")
        if self.highest is not None and value > self.highest:
            raise BadAttribute(f"{self.name} must be at most {self.highest:g}, not {value!r}")
        result: Value = value
        return result


_A: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a text"}

FIRST_N = Attribute("first_n", int, None, "connections", lowest=0)
"""Surefoot's own, for every toxic: it acts on the first N connections that it sees, then no more."""


@dataclass(frozen=True)
class Kind:
    """A kind of toxic. ``ours``: Toxiproxy does not have it."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    ours: bool = False
    default_stream: str = "downstream"
    only_stream: str | None = None

    def known(self) -> dict[str, Attribute]:
        """All attributes by name, :data:`FIRST_N` among them."""
        return {one.name: one for one in (*self.attributes, FIRST_N)}

    def nearest(self, name: str) -> str:
        """``" Did you mean 'latency'?"``, or nothing."""
        near = difflib.get_close_matches(name, self.known(), n=1)
        return f" Did you mean {near[0]!r}?" if near else ""


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "latency",
            (Attribute("latency", int, 0, "ms"), Attribute("jitter", int, 0, "ms")),
        ),
        Kind("bandwidth", (Attribute("rate", int, 0, "KB/s"),)),
        Kind("slow_close", (Attribute("delay", int, 0, "ms"),)),
        Kind("timeout", (Attribute("timeout", int, 0, "ms"),)),
        Kind("reset_peer", (Attribute("timeout", int, 0, "ms"),)),
        Kind(
            "slicer",
            (
                Attribute("average_size", int, 0, "bytes"),
                Attribute("size_variation", int, 0, "bytes"),
                Attribute("delay", int, 0, "µs"),
            ),
        ),
        Kind("limit_data", (Attribute("bytes", int, 0, "bytes"),)),
        Kind("noop"),
        Kind(
            "http_status",
            (
                Attribute("status", int, 503, lowest=200, highest=599),
                Attribute("body", str, ""),
            ),
            ours=True,
            default_stream="upstream",
            only_stream="upstream",
        ),
        Kind(
            "corrupt",
            (
                Attribute("offset", int, -1, "bytes", lowest=-1),
                Attribute("probability", float, 0.0, "a byte", lowest=0, highest=1),
            ),
            ours=True,
        ),
    )
}

EXTENSIONS = frozenset({FIRST_N.name, *(kind.name for kind in KINDS.values() if kind.ours)})
"""Words that a real Toxiproxy does not know."""


def merged(kind: Kind, old: Mapping[str, Value] | None, given: Any) -> dict[str, Value]:
    """The attributes of a toxic after ``given`` was laid over ``old`` (None: over the defaults).

    As in Toxiproxy, a name that the kind does not have is passed over, and null changes nothing.

    >>> merged(KINDS["latency"], None, {"latency": 5, "colour": "red"})
    {'latency': 5, 'jitter': 0}

    :raises BadAttribute: a value has the wrong type or range.
    """
    if old is None:
        old = {one.name: one.default for one in kind.attributes if one.default is not None}
    result = dict(old)
    if given is None:
        return result
    if not isinstance(given, dict):
        raise BadAttribute(f"attributes must be an object, not {given!r}")
    for name, attribute in kind.known().items():
        if given.get(name) is not None:
            result[name] = attribute.read(given[name])
    if kind.name == "corrupt" and result["offset"] == -1 and not result["probability"]:
        raise BadAttribute("corrupt needs an offset (0 is the first byte) or a probability above 0")
    return result
