"""What stands where a secret stood."""

from __future__ import annotations

import hmac
import re
from functools import cache
from typing import Any

__all__ = ["DROPPED", "Hidden", "is_no_secret", "is_placeholder", "mark", "placeholder"]

DROPPED = "[scrub failed: dropped]"
"""Stands for what could not be scrubbed."""


class Hidden(bytes):
    """Given as the ``key``, it numbers the placeholders and remembers what they stand for, so that
    an edited text gets its secrets back.

    :param avoid: a text whose own words must not be taken for placeholders.

    >>> hidden = Hidden.beside("")
    >>> one, again = hidden.instead_of("secret", "abc123xyz"), hidden.instead_of("secret", "abc123xyz")
    >>> one, again
    ('[secret 1]', '[secret 1]')
    >>> hidden.put_back(f"token={one}, and {again}")
    'token=abc123xyz, and abc123xyz'
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


def mark(secret: str, key: bytes) -> str:
    """Six digits by which two occurrences of a secret can be told to be the same.

    How it was written down does not matter: a quotation mark may have been escaped.

    >>> mark("hunter2", b"key") == mark("hunter2", b"key") != mark("hunter2", b"other")
    True
    """
    written = secret.replace("\\", "")
    return hmac.digest(key, written.encode("utf-8", "surrogatepass"), "sha256").hex()[:6]


def placeholder(kind: str, secret: str, key: bytes | None) -> str:
    """What stands where a secret stood: its kind and, with a key, its mark.

    >>> placeholder("jwt", "eyJ…", None), placeholder("jwt", "eyJ…", b"key")
    ('[jwt]', '[jwt c01219]')
    """
    if isinstance(key, Hidden):
        return key.instead_of(kind, secret)
    if key is None:
        return f"[{kind}]"
    return f"[{kind} {mark(secret, key)}]"


# -- what is none ---------------------------------------------------------------------------------

_WORDS = frozenset(
    "absent accepted any api_key apikey await basic bearer bool boolean bytes changed "
    "changeit created denied digest disabled empty enabled error expired failed failure false "
    "float found hidden incorrect int integer invalid is lambda leaked malformed masked "
    "mismatch missing must new nil no none not null number object ok omitted optional "
    "password please provided redacted refused rejected removed required revoked rotated "
    "scrubbed secret set str string success text token true unauthorized undefined unknown "
    "unset unsupported valid verified was with wrong yes your".split()
)


@cache
def _stands_in() -> re.Pattern[str]:
    """Forms of templates and documents, and our own placeholders."""
    return re.compile(
        r"""(?xs)
        <[^<>]{0,80}>                              # <your-key>
        | \$\{[^{}]{0,200}\} | \$\([^()]{0,200}\) | \$[A-Z_][A-Z0-9_]*  # ${TOKEN}, $(…), $TOKEN
        | \$\{\{[^}]{0,200}\}\} | \{\{[^}]{0,200}\}\} | \{[\w.!:-]{0,80}\}  # {{ token }}, {token}
        | %\([\w.-]{1,80}\)[sdr] | %[sdr] | %[A-Z_]{2,80}%  # %(token)s, %TOKEN%
        | \[(?:redacted|filtered|masked|hidden|removed|scrubbed|omitted|secure|value)[^\]]{0,30}\]
        | your[-_ ].{0,60}
        | (?:insert|enter|replace|example|dummy|fake|sample)[-_ ][a-z_ -]{0,60}
        | [\w.:/+-]{0,12}(?:\.{3}|…|\*{3,}|x{4,})            # sk-...
        | change-?me.{0,3} | todo | tbd | fixme | n/?a | foo | bar | foobar | xyz | placeholder
        | :?[a-z_]*(?:password|token|secret|key)(?:_here)?  # password=:password
        """,
        re.IGNORECASE,
    )


def is_placeholder(value: str) -> bool:
    """Whether ``value`` is one of ours.

    >>> is_placeholder("[github token 3f9a1c]"), is_placeholder("[1, 2]")
    (True, False)
    """
    return value.startswith("[") and _ours().fullmatch(value) is not None


@cache
def _ours() -> re.Pattern[str]:
    kind = r"(?:[a-z0-9.+&/-]{1,20} ){0,5}[a-z0-9.+&/-]{1,20}"
    return re.compile(
        rf"\[(?:{kind} (?:[0-9a-f]{{6}}|[0-9]{{1,6}})|(?:[a-z0-9.]{{1,20}} ){{1,5}}[a-z]+|[a-z]+)\]"
    )


def is_no_secret(value: str) -> bool:
    """Placeholders, literals of programs, words of messages, and what is hidden already.

    >>> [is_no_secret(v) for v in ("<your-key>", "${TOKEN}", "****", "None", "hunter2", "[secret]")]
    [True, True, True, True, False, True]
    """
    bare = value.strip()
    return (
        not bare.strip("*.•_-…#?")
        or (len(bare) > 2 and not bare.strip("xX*-"))
        or bare.lower().rstrip(".!") in _WORDS
        or is_placeholder(bare)
        or _stands_in().fullmatch(bare) is not None
    )
