"""Secrets in text.

In this order: values that are known to be secret; the formats of providers' keys; what stands behind
a name such as ``password=``; passwords in URLs. The patterns are RE2's, which takes linear time
whatever it is given; where google-re2 is not installed, ``re`` reads a shorter text instead.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple

from .names import is_secret_name

__all__ = ["DROPPED", "LONGEST", "Hidden", "scrub_text"]

DROPPED = "[scrub failed: dropped]"
"""Stands for what could not be scrubbed."""

LONGEST = 100_000
"""Characters of a text that are kept."""

_LONGEST_WITHOUT_RE2 = 20_000
_OVERLAP = 500  # read beyond the end, so that a secret is not cut to something unrecognisable
_NESTED = 3  # pairs within a pair's value that are looked at
_SHORTEST = 6  # of a known secret: a shorter one would tear holes into every text


class Hidden(bytes):
    """Given as the ``key``, it numbers the placeholders and remembers what they stand for, so that
    an edited text gets its secrets back.

    :param avoid: a text whose own words must not be taken for placeholders.

    >>> hidden = Hidden.beside("")
    >>> shown = scrub_text("token=abc123xyz, again token=abc123xyz", key=hidden)
    >>> shown
    'token=[secret 1], again token=[secret 1]'
    >>> hidden.put_back(shown.replace("again", "and"))
    'token=abc123xyz, and token=abc123xyz'
    """

    kept: dict[str, Any]
    avoid: str

    @classmethod
    def beside(cls, avoid: str) -> Hidden:
        made = cls()
        made.kept, made.avoid = {}, avoid
        return made

    def instead_of(self, name: str, secret: Any) -> str:
        """The placeholder of a secret; the same one for the same secret."""
        for placeholder_, kept in self.kept.items():
            if type(kept) is type(secret) and kept == secret:
                return placeholder_
        number = len(self.kept) + 1
        while f"[{name} {number}]" in self.avoid or f"[{name} {number}]" in self.kept:
            number += 1
        self.kept[f"[{name} {number}]"] = secret
        return f"[{name} {number}]"

    def put_back(self, value: Any) -> Any:
        """Nested data with what the placeholders in it stand for."""
        if isinstance(value, dict):
            return {self.put_back(name): self.put_back(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.put_back(part) for part in value]
        if not isinstance(value, str):
            return value
        if value in self.kept:
            return self.kept[value]
        for placeholder_, secret in self.kept.items():
            if placeholder_ in value:
                value = value.replace(placeholder_, str(secret))
        return value


class _Patterns(NamedTuple):
    formats: tuple[tuple[str, Any], ...]
    line: Any
    keyed: Any
    header: Any
    url: Any
    longest: int


# Names stand in the placeholder, so that a reader knows what was there.
_FORMATS = (
    (
        "private key",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}-----|$)",
    ),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ("api key", r"\bsk-(?:ant-|proj-|svcacct-|or-v1-|lf-)?[A-Za-z0-9_-]{20,}"),
    (
        "api key",
        r"\b(?:gsk|xai|r8|pplx|nvapi|fw|tgp_v1|sk_or|csk|jina|voyage|pa)[_-][A-Za-z0-9_-]{20,}",
    ),
    ("github token", r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})"),
    ("gitlab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("aws key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("google key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("google token", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    ("slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("slack webhook", r"\bhooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    ("hugging face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("stripe key", r"\b(?:sk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{20,}"),
    ("sendgrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("package token", r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{50,})"),
)

# A name, what joins it to its value (quoted or escaped as in JSON inside of JSON), and the value.
_KEYED = (
    r"""(?i)([A-Za-z0-9_.-]{0,60}(?:pass|pwd|secret|token|key|auth|credential|cookie|dsn|jwt|sig)"""
    r"""[A-Za-z0-9_-]{0,40}\\{0,3}["']?\s{0,3}(?::|=>|=)\s{0,3})"""
    r"""(?:\\{0,3}"((?:[^"\\]|\\[^"])*)|'([^']*)|((?:(?:Bearer|Basic|Token)\s+)?[^\s"',;&<>(){}\[\]]+))"""
)
# Of these the whole line, or all up to the closing quotation mark.
_LINE = (
    r"""(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\\{0,3}["']?\s{0,3}[:=]\s{0,3}\\{0,3}["']?)"""
    r"""([^\r\n"'\\]+)"""
)
_HEADER = r"(?i)\b(bearer|basic)\s+([A-Za-z0-9+/=_.~-]{12,})"
_URL = r"([A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/:@'\"]{0,200}:)([^\s/@'\"]{1,200})@"


@cache
def _patterns() -> _Patterns:
    """Compiled once, at the first text: loading RE2 would slow down every import of Surefoot."""
    longest = LONGEST
    try:
        compile_ = import_module("re2").compile
    except ImportError:  # no wheel for this system (musl): `re` can be made to hang by long texts
        compile_, longest = re.compile, _LONGEST_WITHOUT_RE2
    return _Patterns(
        formats=tuple((name, compile_(pattern)) for name, pattern in _FORMATS),
        line=compile_(_LINE),
        keyed=compile_(_KEYED),
        header=compile_(_HEADER),
        url=compile_(_URL),
        longest=longest,
    )


def scrub_text(text: str, *, known: Iterable[str] = (), key: bytes | None = None) -> str:
    """``text`` without its secrets, and not longer than 100,000 characters.

    ``known`` are values that are secret wherever they stand (shorter than six characters: not
    replaced). With a ``key`` a placeholder carries six digits of an HMAC, so that equal secrets can
    be told to be equal. Never raises: what cannot be scrubbed is dropped.

    >>> scrub_text("401 for sk-proj-abcdefghijklmnopqrstuv, order 3fa85f64-5717-4562-b3fc-2c963f66afa6")
    '401 for [api key], order 3fa85f64-5717-4562-b3fc-2c963f66afa6'
    >>> scrub_text("postgresql://app:hunter2@db/prod?sslmode=require")
    'postgresql://app:[password]@db/prod?sslmode=require'
    >>> scrub_text("idempotency_key=order-17 max_tokens=100 api_key=abc123def")
    'idempotency_key=order-17 max_tokens=100 api_key=[secret]'
    """
    try:
        return _scrubbed(text, known, key)
    except Exception:  # nothing that could hold a secret leaves because of a bug in here
        return DROPPED


def _scrubbed(text: str, known: Iterable[str], key: bytes | None) -> str:
    patterns = _patterns()
    length = len(text)
    if length > patterns.longest + _OVERLAP:
        text = text[: patterns.longest + _OVERLAP]
    # RE2 reads UTF-8, which has no lone surrogates (they stand for bytes of a file's name).
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= _SHORTEST and value in text:
            text = text.replace(value, placeholder("secret", value, key))
    for name, pattern in patterns.formats:
        text = _replace(pattern, partial(_format, name, key), text)
    text = _replace(patterns.line, partial(_line, key), text)
    text = _replace(patterns.keyed, partial(_keyed, key, 0), text)
    text = _replace(patterns.header, partial(_header, key), text)
    text = _replace(patterns.url, partial(_url, key), text)
    if length > patterns.longest:
        return f"{text[: patterns.longest]}… [{length - patterns.longest:,} more characters]"
    return text


def placeholder(name: str, secret: str, key: bytes | None) -> str:
    """What stands where a secret stood."""
    if isinstance(key, Hidden):
        return key.instead_of(name, secret)
    if key is None:
        return f"[{name}]"
    mark = hmac.new(key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:6]
    return f"[{name} {mark}]"


def _replace(pattern: Any, by: Callable[[Any], str], text: str) -> str:
    return str(pattern.sub(by, text))


def _format(name: str, key: bytes | None, match: Any) -> str:
    return placeholder(name, match.group(0), key)


def _line(key: bytes | None, match: Any) -> str:
    return f"{match.group(1)}{match.group(2)}{_hidden('secret', match.group(3), key)}"


def _header(key: bytes | None, match: Any) -> str:
    return f"{match.group(1)} {placeholder('secret', match.group(2), key)}"


def _url(key: bytes | None, match: Any) -> str:
    return f"{match.group(1)}{_hidden('password', match.group(2), key)}@"


def _keyed(key: bytes | None, depth: int, match: Any) -> str:
    whole, start = match.group(0), match.group(1)
    rest = whole[len(start) :]
    if not is_secret_name(start.rstrip(" \t\r\n:=>\"'\\")):
        # Another pair may stand behind the sign: `key=password=x`. Not for ever: `key=key=key=…`.
        if depth >= _NESTED:
            return f"{start}[secret]"
        inner = _replace(_patterns().keyed, partial(_keyed, key, depth + 1), rest)
        return f"{start}{inner}"
    value = next((part for part in match.groups()[1:] if part), "")
    hidden = rest.replace(value, _hidden("secret", value, key)) if value else rest
    return f"{start}{hidden}"


def _hidden(name: str, value: str, key: bytes | None) -> str:
    return value if is_no_secret(value) else placeholder(name, value, key)


def is_no_secret(value: str) -> bool:
    """Placeholders, literals of programs, and what is hidden already.

    >>> [is_no_secret(v) for v in ("<your-key>", "${TOKEN}", "****", "None", "hunter2", "[secret]")]
    [True, True, True, True, False, True]
    """
    bare = value.strip()
    return (
        not bare.strip("*.•_-…")
        or (len(bare) > 2 and not bare.strip("xX"))
        or bare[0] in "<[{$%"
        or bare.lower() in ("none", "null", "true", "false", "bearer", "basic", "str", "redacted")
    )
