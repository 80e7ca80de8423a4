"""How long the server asked us to wait, in seconds.

The sources, in the order in which they count:

1. the header ``retry-after-ms`` (OpenAI, Azure; also ``x-ms-retry-after-ms``),
2. the header ``retry-after``: seconds, fractions of them, or an HTTP date,
3. an attribute of the exception (``retry_after`` and its like),
4. Google's ``RetryInfo`` in the details of the error,
5. headers that say when a bucket is full again (``x-ratelimit-reset-*``,
   ``anthropic-ratelimit-*-reset``, ``ratelimit-reset``): the longest *exhausted* one,
6. the message: "try again in 1.574s".

A time that has passed is 0. A wait of more than a day is handed on as it is: whoever decides sees
that it fits no deadline and goes on to the next rung. What cannot be meant (more than a year, not a
number) counts as not said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, NamedTuple

from surefoot.classify.facts import Facts
from surefoot.classify.safely import attribute, is_mapping, item

__all__ = ["Asked", "asked_wait", "header", "headers_of", "in_message"]

DAY = 86_400.0
YEAR = 366 * DAY
_EPOCH = 1_000_000_000.0  # as seconds 2001, as a wait 31 years: above it a number is a date
_EPOCH_MS = 100_000_000_000.0

_HEADERS_READ = 200
# Longer names are none of those that matter; longer values say no time.
_NAME, _VALUE = 64, 1_024
_WANTED = frozenset(
    (
        *("retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-retry-after"),
        *("date", "x-should-retry"),
    )
)
_WANTED_BYTES = frozenset(name.encode() for name in _WANTED)
_ATTRIBUTES = (
    ("retry_after", 1.0),
    ("retry_after_seconds", 1.0),
    ("retry_after_s", 1.0),
    ("retry_after_ms", 0.001),
    ("cooldown_time", 1.0),  # litellm's router
    ("next_retry_delay", 1.0),  # temporalio
)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_NUMBER = r"\d{1,12}(?:\.\d{1,12})?"
_UNIT = (
    r"(?:(?P<ms>ms|msecs?|millis|milliseconds?)|(?P<s>s|secs?|seconds?)|(?P<m>m|mins?|minutes?)"
    r"|(?P<h>h|hrs?|hours?)|(?P<d>d|days?))"
)
_PART = re.compile(rf"({_NUMBER})\s?{_UNIT}(?![A-Za-z])", re.IGNORECASE)
_NEXT = re.compile(rf"\s?(?:,|and)?\s?({_NUMBER})\s?{_UNIT}(?![A-Za-z])", re.IGNORECASE)
# A message is searched for these words with str.find, which is fifty times quicker than a pattern.
_KEYWORDS = ("again", "retry", "wait", "reset", "available")
_LEAD = re.compile(
    r"(?:ing|s|[-_ ]?after|_?delay)?(?:[ ]for|[ ]the[ ]request|[ ]your[ ]request)?[\s\"':=]{0,4}"
    r"(?:(?:in|after|for|at[ ]least|about|approximately|another)[\s:=]{1,2}){0,3}",
    re.IGNORECASE,
)
_OCCURRENCES = 20
_BARE_SECONDS = re.compile(rf"({_NUMBER})(?![\w.:-]|\s?[%A-Za-z/])")


class Asked(NamedTuple):
    """A wait in seconds, and where it was found."""

    seconds: float
    source: str


def asked_wait(
    facts: Facts, headers: Mapping[str, str], *, now: float | None, limited: bool = False
) -> Asked | None:
    """The wait that was asked for by headers, attributes or a body; None if there is none.

    :param now: seconds since the epoch; without it, dates count from the response's own ``date``.
    :param limited: a limit was hit, so that a reset counts where no bucket says what remains.

    >>> asked_wait(Facts(OSError()), {"retry-after": "7"}, now=None)
    Asked(seconds=7.0, source='header retry-after')
    """
    if facts.bare:
        return None
    if headers:
        now = now if now is not None else _date(headers.get("date"))
        for name in ("retry-after-ms", "x-ms-retry-after-ms"):
            found = _number(headers.get(name), 0.001)
            if found is not None:
                return Asked(found, f"header {name}")
        for name in ("retry-after", "x-retry-after"):
            if name in headers:
                found = _moment(headers[name], now)
                if found is not None:
                    return Asked(found, f"header {name}")
    for name, unit in _ATTRIBUTES:
        value = facts.get(name)
        if value is not None:
            found = _attribute(value, unit, now)
            if found is not None:
                return Asked(found, f"attribute {name}")
    found = _retry_info(facts)
    if found is not None:
        return Asked(found, "RetryInfo")
    if headers:
        reset = _longest_reset(headers, now, limited)
        if reset is not None:
            return reset
    return None


def headers_of(facts: Facts) -> dict[str, str]:
    """The headers of the exception's response that can matter here, their names in lower case."""
    if facts.bare:
        return {}
    response = facts.get("response")
    if response is None:
        headers = facts.get("headers")
    elif is_mapping(response):  # botocore
        headers = item(item(response, "ResponseMetadata"), "HTTPHeaders")
    else:
        headers = attribute(response, "headers")
    found = _wanted(headers) if headers is not None else {}
    if not found and (kept := facts.get("litellm_response_headers")) is not None:
        found = _wanted(kept)  # the provider's; litellm's own response may be made up
    return found


def _wanted(headers: Any) -> dict[str, str]:
    try:
        # httpx: its mapping decodes every header for every question; the raw list is quick
        raw = None if type(headers) is dict else attribute(headers, "raw")
        if isinstance(raw, list):
            return {
                low.decode("latin-1"): value[:_VALUE].decode("latin-1")
                for key, value in raw[:_HEADERS_READ]
                if len(key) <= _NAME and ((low := key.lower()) in _WANTED_BYTES or b"limit" in low)
            }
        return {
            low: str(value)[:_VALUE]
            for name, value in islice(headers.items(), _HEADERS_READ)
            if len(name) <= _NAME and ((low := name.lower()) in _WANTED or "limit" in low)
        }
    except BaseException:
        return {}


def header(headers: Any, name: str) -> str | None:
    """One header of a request or a response, whatever its client keeps headers in.

    >>> header({"x-a": "1"}, "x-a")
    '1'
    """
    raw = None if type(headers) is dict else attribute(headers, "raw")
    if not isinstance(raw, list):
        value = item(headers, name)
        return value if isinstance(value, str) else None
    wanted = name.encode()
    for pair in raw[:_HEADERS_READ]:
        key, found = item(pair, 0), item(pair, 1)
        if isinstance(key, bytes) and isinstance(found, bytes) and key.lower() == wanted:
            return found.decode("latin-1")
    return None


def in_message(text: str) -> Asked | None:
    """The wait in seconds that a message names; "in a few minutes" is no number.

    >>> in_message("Rate limit reached. Please try again in 1m30.5s.")
    Asked(seconds=90.5, source='message')
    >>> in_message("Try again in a few minutes") is None
    True
    """
    low = text.lower()
    for keyword in _KEYWORDS:
        at = low.find(keyword)
        for _ in range(_OCCURRENCES):
            if at < 0:
                break
            lead = _LEAD.match(text, at + len(keyword))
            found = (
                _after(text, lead.end(), lead.group().rstrip("\"' :=").lower()) if lead else None
            )
            if found is not None:
                return Asked(found, "message")
            at = low.find(keyword, at + 1)
    return None


def _after(text: str, at: int, lead: str) -> float | None:
    """The duration at ``at``; a bare number is one only after "retry after" and "retryDelay"."""
    if not text[at : at + 1].isdigit():
        return None
    total, end = _duration(text, at)
    if end > at:
        return _sane(total)
    bare = _BARE_SECONDS.match(text, at)
    if bare is not None and lead.endswith(("after", "delay")):
        return _sane(float(bare[1]))
    return None


def _duration(text: str, at: int) -> tuple[float, int]:
    """``1h2m3.5s`` from ``at`` on: the seconds, and where it ends (``at``: there is none)."""
    total, end, last = 0.0, at, math.inf
    found = _PART.match(text, at)
    while found is not None:
        unit = _UNITS[str(found.lastgroup)]
        if unit >= last:
            break  # "wait 20s, 3 days left": another thing
        total += float(found[1]) * unit
        end, last = found.end(), unit
        found = _NEXT.match(text, end)
    return total, end


def _sane(seconds: float) -> float | None:
    if not seconds <= YEAR:  # also NaN
        return None
    return max(0.0, seconds)


def _number(value: str | None, unit: float = 1.0) -> float | None:
    if value is None:
        return None
    try:
        return _sane(float(value) * unit)
    except ValueError:
        return None


def _moment(value: str, now: float | None) -> float | None:
    """Seconds, a duration, an epoch, an HTTP date or an ISO date, as seconds from now."""
    value = value.strip()
    try:
        number = float(value)
    except ValueError:
        total, end = _duration(value, 0)
        if end and end == len(value):
            return _sane(total)
        date = _date(value)
        if date is None or now is None:
            return None
        return _sane(max(0.0, date - now))
    if number >= _EPOCH:
        if now is None:
            return None
        epoch = number / 1000.0 if number >= _EPOCH_MS else number
        return _sane(max(0.0, epoch - now))
    return _sane(number)


def _date(value: str | None) -> float | None:
    """An HTTP or ISO date as seconds since the epoch."""
    if not value or len(value) > 64:
        return None
    try:
        if value[:4].isdigit():
            moment = datetime.fromisoformat(_python_310(value))
        else:
            from email.utils import parsedate_to_datetime  # slow to import, and seldom needed

            moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _python_310(value: str) -> str:
    """ISO dates as Python 3.10 reads them: no ``Z``, and three or six digits of a second."""
    value = re.sub(r"[zZ]\Z", "+00:00", value)
    return re.sub(r"\.(\d+)", lambda found: "." + found[1][:6].ljust(6, "0"), value)


def _attribute(value: Any, unit: float, now: float | None) -> float | None:
    try:
        if isinstance(value, bool) or callable(value):
            return None
        if isinstance(value, timedelta):
            return _sane(value.total_seconds())
        if isinstance(value, (int, float)):
            return _sane(float(value) * unit)
        if isinstance(value, str):
            return _moment(value, now) if unit == 1.0 else _number(value, unit)
    except BaseException:
        return None
    return None


def _retry_info(facts: Facts) -> float | None:
    """Google's ``google.rpc.RetryInfo``: as JSON in a body, or as a message in ``.details``."""
    for place in (facts.get("details"), facts.body):
        if is_mapping(place):
            error = item(place, "error")
            place = item(error if is_mapping(error) else place, "details")
        for each in place[:20] if isinstance(place, (list, tuple)) else ():
            if is_mapping(each):
                found = item(each, "retryDelay")
                if isinstance(found, str):
                    return _moment(found, None)
            else:
                delay = attribute(each, "retry_delay")
                seconds, nanos = attribute(delay, "seconds"), attribute(delay, "nanos")
                if isinstance(delay, timedelta):
                    return _sane(delay.total_seconds())
                if isinstance(seconds, int):
                    return _sane(seconds + (nanos / 1e9 if isinstance(nanos, int) else 0.0))
    return None


def _longest_reset(headers: Mapping[str, str], now: float | None, limited: bool) -> Asked | None:
    exhausted: list[Asked] = []
    silent: list[Asked] = []
    someone_says = False
    for name, value in headers.items():
        if name == "ratelimit":
            name, value, remaining = _structured(value)
        elif "reset" in name:
            remaining = headers.get(name.replace("reset", "remaining"))
        else:
            continue
        wait = _moment(value, now)
        left = _number(remaining)
        someone_says = someone_says or left is not None
        if wait is not None:
            asked = Asked(wait, f"header {name}")
            if left is None:
                silent.append(asked)
            elif left <= 0:
                exhausted.append(asked)
    if exhausted:
        return max(exhausted)
    if limited and silent and not someone_says:
        return max(silent)
    return None


def _structured(value: str) -> tuple[str, str, str | None]:
    """The IETF draft's one header: ``limit=100, remaining=0, reset=30`` or ``"x";r=0;t=30``."""
    found: dict[str, str] = dict(re.findall(r"\b(r|t|remaining|reset)=(\d{1,12})", value))
    reset = found.get("reset", found.get("t", ""))
    return "ratelimit", reset, found.get("remaining", found.get("r"))
