"""Values that are known to be secret, wherever they stand: those that the program registers, those of
environment variables, and what frameworks hold that are loaded already.

The registry is the one piece of state that a module of Surefoot keeps: docs/adr/0013-known-secrets.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from .engine import literal_bytes, made
from .hits import Hit
from .marks import is_no_secret
from .names import is_secret_name

__all__ = [
    "SHORTEST",
    "KnownValues",
    "Watch",
    "from_environment",
    "held_by_prefect",
    "hide",
    "masked_by_airflow",
]

SHORTEST = 6
"""Characters of a known value at least: a shorter one would tear holes into every text."""

_SHORTEST_OF_ENVIRONMENT = 8

# Only ever grows, one item at a time: setting an item is atomic, so threads need no lock.
HIDDEN_VALUES: dict[str, None] = {}


def hide(value: Any) -> None:
    """Hold ``value`` for a secret from now on, in the whole process.

    :raises TypeError: it is no text, no bytes and no SecretStr.
    :raises ValueError: it is shorter than six characters.
    """
    reveal = getattr(value, "get_secret_value", None)
    if callable(reveal):
        value = reveal()
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "backslashreplace")
    if not isinstance(value, str):
        raise TypeError(f"a secret is a text, not a {type(value).__qualname__}")
    if len(value.strip()) < SHORTEST:
        raise ValueError(
            f"a secret needs at least {SHORTEST} characters, and this has {len(value.strip())}: hidden "
            "wherever it stands, it would tear holes into every text"
        )
    HIDDEN_VALUES[value] = None


# -- the environment ------------------------------------------------------------------------------

_DSN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@]{0,200}:([^\s]{1,500})@[^\s@]*$")
_PAIR = re.compile(r"(?i)(?:password|pwd|accountkey|sharedaccesskey|secret)\s?=\s?([^;\s]{6,500})")
_PATH = re.compile(r"(?:~|\.{0,2})/[\w./@+ -]*|[A-Za-z]:\\.*|https?://[^@]*")


def from_environment(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of secret-named variables, and the passwords of those that hold a DSN.

    >>> from_environment({"API_TOKEN": "abcd1234", "DATABASE_URL": "pg://u:s3cret-pw@h/d", "HOME": "/a"})
    ('abcd1234', 's3cret-pw')
    """
    found: dict[str, None] = {}
    for name, value in environ.items():
        if "://" in value or "=" in value:
            for password in _passwords(value):
                found[password] = None
        if name.startswith("AIRFLOW_CONN_") and value.startswith("{"):
            for password in _connection(value):
                found[password] = None
        elif len(value) >= _SHORTEST_OF_ENVIRONMENT and is_secret_name(name) and _is_secret(value):
            found[value] = None
    return tuple(found)


def _is_secret(value: str) -> bool:
    return not is_no_secret(value) and _PATH.fullmatch(value) is None and not value.isspace()


def _passwords(value: str) -> Iterator[str]:
    for found in (*_DSN.finditer(value[:4000]), *_PAIR.finditer(value[:4000])):
        for password in {found.group(1), unquote(found.group(1))}:
            if len(password) >= SHORTEST and _is_secret(password):
                yield password


def _connection(value: str) -> Iterator[str]:
    try:
        told = json.loads(value)
    except ValueError:
        return
    password = told.get("password") if isinstance(told, dict) else None
    if isinstance(password, str) and len(password) >= SHORTEST:
        yield password


# -- frameworks -----------------------------------------------------------------------------------

_MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)
_BLOCKS = "prefect.blocks.system"


def masked_by_airflow(modules: Mapping[str, Any]) -> tuple[str, ...]:
    """What Airflow masks: passwords of its connections, its secret variables. Only what is loaded is
    read, and nothing is asked for over a network. Never raises."""
    found: dict[str, None] = {}
    for name in _MASKERS:
        module = modules.get(name)
        if module is None:
            continue
        try:
            masker = module._secrets_masker
            patterns = (masker() if callable(masker) else masker).patterns
            for pattern in tuple(patterns):
                found[re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)] = None  # kept escaped
        except Exception:  # another version of it
            continue
    return tuple(found)


def held_by_prefect(modules: Mapping[str, Any]) -> tuple[str, ...]:
    """What the Secret blocks of Prefect hold that are loaded. Looks at every object there is, which
    takes a tenth of a second in a large program. Never raises."""
    import gc

    kind = getattr(modules.get(_BLOCKS), "Secret", None)
    found: dict[str, None] = {}
    for one in gc.get_objects() if kind is not None else ():
        try:
            if type(one) is kind:
                value = one.value
                reveal = getattr(value, "get_secret_value", None)
                found[str(reveal() if callable(reveal) else value)] = None
        except Exception:  # half made, or another version of it
            continue
    return tuple(found)


class Watch:
    """All known values, looked up anew only when they may have changed: the registry grew, the
    environment is another one, a framework holds more."""

    def __init__(self) -> None:
        self._environ: Any = None
        self._registered = -1
        self._masked: tuple[str, ...] = ()
        self._blocks: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._known: tuple[str, ...] = ()

    def current(self, now: float, *, environment: bool = True) -> tuple[str, ...]:
        """The values; the same object as before where nothing changed.

        :param now: seconds of a clock that does not run backwards.
        """
        # the dictionary behind os.environ: comparing it takes a microsecond
        environ = getattr(os.environ, "_data", os.environ) if environment else {}
        changed = len(HIDDEN_VALUES) != self._registered or environ != self._environ
        if any(name in sys.modules for name in _MASKERS):
            masked = masked_by_airflow(sys.modules)
            changed, self._masked = changed or masked != self._masked, masked
        if _BLOCKS in sys.modules and now - self._looked >= _LOOK_EVERY:
            blocks = held_by_prefect(sys.modules)
            self._looked = now
            changed, self._blocks = changed or set(blocks) != set(self._blocks), blocks
        if changed:
            self._environ = dict(environ)
            self._registered = len(HIDDEN_VALUES)
            own = from_environment(os.environ) if environment else ()
            self._known = tuple(
                {**HIDDEN_VALUES, **dict.fromkeys((*own, *self._masked, *self._blocks))}
            )
        return self._known


_LOOK_EVERY = 10.0
"""Seconds between looks for Prefect's blocks."""


# -- finding them ---------------------------------------------------------------------------------


class KnownValues:
    """Finds known values: as they are, escaped as in JSON, quoted as in a URL.

    >>> known = KnownValues(["hunter2!"])
    >>> [(hit.start, hit.end) for hit in known.find(b"hunter2%21, hunter2!")]
    [(0, 10), (12, 20)]
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms: dict[bytes, str] = {}
        for value in values:
            if len(value) >= SHORTEST:
                for form in _forms(value):
                    forms.setdefault(form.encode("utf-8", "backslashreplace"), value)
        # the longest first: one may begin with another
        self._forms = sorted(forms, key=len, reverse=True)
        self._values = forms
        self._pattern = made("|".join(map(literal_bytes, self._forms))) if len(forms) > 16 else None

    def value_of(self, found: bytes) -> str | None:
        """The value that was written so."""
        return self._values.get(found)

    def find(self, text: bytes) -> Iterator[Hit]:
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                start, end = match.span()
                yield Hit(start, end, "secret", "known value")
            return
        for form in self._forms:
            at = text.find(form)
            while at >= 0:
                yield Hit(at, at + len(form), "secret", "known value")
                at = text.find(form, at + len(form))


@lru_cache(maxsize=1024)
def _forms(value: str) -> frozenset[str]:
    escaped = json.dumps(value)[1:-1]
    return frozenset(
        {
            value, escaped, json.dumps(escaped)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1],
            repr(value)[1:-1], quote(value, safe=""), quote(value), quote_plus(value),
        }
    )  # fmt: skip
