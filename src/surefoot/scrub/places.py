"""What stands at the place of a secret: in URLs, in markup, in files of credentials, in prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from .engine import compiled, unbounded
from .hits import Hit, Rule
from .marks import is_no_secret
from .names import is_secret_name

__all__ = ["place_rules"]

_WORD = r"(?:pass|pwd|secret|token|key|auth|cred|cookie|dsn|jwt|otp|pin)"
_DATABASE = (
    r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle|clickhouse|snowflake)"
    r"(?:\+[a-z0-9]{1,20})?://"
)

# Each with the group of the secret, its kind, and, with a group of the name, the rule that it is one.
_URLS = (
    # up to the last @ before the path: a password may hold one by mistake
    (r"://[^\s/:@\"'<>]{0,200}:[^\s/\"'<>]*@", r"://[^\s/:@\"'<>]{0,200}:([^\s/\"'<>]+)@"),
    # one with a slash, where a database is meant: no port
    (_DATABASE + r"[^\s/:@\"'<>]{0,200}:[^\s\"'<>@/]*/", _DATABASE + r"[^\s/:@\"'<>]{0,200}:([^\s\"'<>@/]*[^\s\"'<>@/0-9][^\s\"'<>@/]*/[^\s\"'<>@]*)@"),
    # jdbc:oracle:thin:user/password@…, sqlplus user/password@…
    (r"(?i:jdbc:oracle:|\bsqlplus\b)", r"(?i:jdbc:oracle:[a-z0-9]{2,8}:|\bsqlplus(?:[ ]-[a-zA-Z]+)*[ ]+)[A-Za-z][^\s/@\"']{0,60}/([^\s@\"']+)@"),
    # https://TOKEN@host
    (r"://[A-Za-z0-9_.~%-]{16,}@", r"://([A-Za-z0-9_.~%-]{16,})@[A-Za-z0-9]"),
)  # fmt: skip

_NAMED = (
    # <password>…</password>
    (
        rf"(?i:{_WORD}[a-z0-9_.-]{{0,20}}(?:[ ][^<>]*)?>)",
        rf"<(?:[A-Za-z0-9_]{{1,20}}:)?([A-Za-z0-9_.-]{{0,40}}(?i:{_WORD})[A-Za-z0-9_.-]{{0,20}})(?:[ ][^<>]*)?>[ \t\r\n]{{0,8}}(?:<!\[CDATA\[)?([^<>\]]+?)[ \t\r\n]{{0,8}}(?:\]\]>)?</",
    ),
    # <add key="Password" value="…"/>
    (
        r"(?i:\b(?:value|content|connectionstring)=[\"'])",
        r"(?i:\b(?:key|name|id|field|header|setting)=[\"'])([^\"'<>]{2,80})[\"'][^<>]*?(?i:\b(?:value|content)=[\"'])([^\"'<>]+)[\"']",
    ),
    # <property name="password">…</property>
    (
        r"(?i:\b(?:key|name|id)=[\"'][^\"'<>]{2,80}[\"'][^<>]*>)",
        r"(?i:<[a-z:_.-]{1,40}[^<>]*?\b(?:key|name|id)=[\"'])([^\"'<>]{2,80})[\"'][^<>]*>[ \t\r\n]{0,8}([^<>]+?)[ \t\r\n]{0,8}</",
    ),
    # {"name": "DB_PASSWORD", "value": "…"}
    (
        r"""(?i:["'](?:value|val|content|stringvalue)\\{0,7}["'][ ]?:)""",
        r"""(?i:["'](?:key|name|header|field|id)\\{0,7}["'][ ]?:[ ]?\\{0,7}["'])([^"'\\]{2,80})\\{0,7}["'][ \t\r\n]{0,20},[ \t\r\n]{0,20}\\{0,7}(?i:["'](?:value|val|content|stringvalue)\\{0,7}["'][ ]?:[ ]?\\{0,7}["'])([^"'\\]+)""",
    ),
    # - name: DB_PASSWORD
    #   value: …
    (
        r"(?i:\bvalue:[ ])",
        r"(?i:\b(?:name|key):[ ]?)[\"']?([A-Za-z0-9_.-]{2,80})[\"']?[ \t]*\r?\n[ \t]*(?i:value):[ ]?[\"']?([^\s\"']+)",
    ),
    # ("authorization", "Bearer …"), [b"x-api-key", b"…"]
    (
        rf"""(?i:{_WORD}[a-z0-9_-]{{0,30}}\\{{0,7}}["'][ ]?,[ ]?b?\\{{0,7}}["'])""",
        r"""[\[(][ ]?b?\\{0,7}["']([A-Za-z][A-Za-z0-9_-]{2,60})\\{0,7}["'][ ]?,[ ]?b?\\{0,7}["'](?:(?:Bearer|Basic|Token)[ ])?([^"'\\]+)\\{0,7}["'][ ]?[\])]""",
    ),
)  # fmt: skip

_FILES = (
    # .netrc
    (r"(?i:\bpassword[ \t]+\S)", r"(?i:\blogin[ \t\r\n]+[^\s]{1,100}[ \t\r\n]+(?:account[ \t\r\n]+[^\s]{1,100}[ \t\r\n]+)?password[ \t]+)([^\s]+)"),
    # .pgpass
    (
        r":(?:[0-9]{2,5}|\*):[A-Za-z0-9_*-]+:[A-Za-z0-9_*.-]+:[^\s:]",
        r"(?:^|[\s\"'])[A-Za-z0-9.*_-]+:(?:[0-9]{2,5}|\*):[A-Za-z_*][A-Za-z0-9_*-]*:[A-Za-z_*][A-Za-z0-9_*.-]*:([^\s:\"']{3,})",
    ),
)  # fmt: skip


_PAIR = _NAMED[-1][1]


def place_rules() -> list[Rule]:
    """All of them."""
    rules = []
    for trigger, pattern in _URLS:
        find = partial(_found, pattern, "password", "url")
        rules.append(Rule("url", (unbounded(trigger),), find, "it is the password of a URL"))
    for trigger, pattern in _NAMED:
        why = "it is the value of something named for a secret"
        rules.append(Rule("markup", (unbounded(trigger),), partial(_named, pattern), why))
    for trigger, pattern in _FILES:
        why = "it stands where a file of credentials has its password"
        find = partial(_found, pattern, "password", "credentials file")
        rules.append(Rule("credentials file", (unbounded(trigger),), find, why))
    why = "it stands behind the name of a scheme of authorization"
    rules.append(
        Rule("authorization", (r"(?i:\b(?:bearer|basic)[ \t]+[A-Za-z0-9])",), _bearers, why)
    )
    why = "it stands in quotes behind a secret's name"
    rules.append(Rule("prose", (unbounded(_QUOTED),), _quoted, why))
    rules.append(Rule("prose", (unbounded(_SAID),), _prose, "a sentence says that it is one"))
    return rules


def _hit(text: bytes, start: int, end: int, kind: str, rule: str, name: str = "") -> Iterator[Hit]:
    if not is_no_secret(text[start:end].decode("utf-8", "replace")):
        yield Hit(start, end, kind, rule, name)


def _found(pattern: str, kind: str, rule: str, text: bytes) -> Iterator[Hit]:
    for match in compiled(pattern).finditer(text):
        start, end = match.span(1)
        if pattern == _URLS[-1][1] and not re.search(rb"\d", text[start:end]):
            continue  # a user's name
        yield from _hit(text, start, end, kind, rule)


def _named(pattern: str, text: bytes) -> Iterator[Hit]:
    for match in compiled(pattern).finditer(text):
        name = text[match.start(1) : match.end(1)].decode("latin-1")
        value = text[match.start(2) : match.end(2)]
        # ['token', 'quoted value']: words, where nothing but the name tells
        if is_secret_name(name) and not (
            pattern is _PAIR and re.fullmatch(rb"[a-z]+(?:[ _-][a-z]+)+", value)
        ):
            start, end = match.span(2)
            yield from _hit(text, start, end, "secret", "markup", name)


def _bearers(text: bytes) -> Iterator[Hit]:
    for match in compiled(r"(?i:\b(?:bearer|basic)[ \t]+)([A-Za-z0-9+/=_.~-]{12,})").finditer(text):
        start, end = match.span(1)
        piece = text[start:end]
        # `basic functionality`, `bearer authentication`
        if not re.fullmatch(rb"[A-Za-z]?[a-z-]+[.]?", piece) or len(piece) > 15:
            yield from _hit(text, start, end, "secret", "authorization")


_SAID = (
    r"(?i:\b(?:password|passphrase|passcode|pass phrase|pwd|secret|token|api key|access key|pin|otp|secret key)"
    r"[ \"'`]{1,3}(?:(?:for|of)[ ][^\s]{1,40}[ ])?(?:is|was|are|=|to|as)[ ]{1,2}(?:now[ ]|set to[ ]|currently[ ])?)"
)


# did not accept api_key '…'
_QUOTED = rf"""([A-Za-z0-9_.-]{{0,40}}(?i:{_WORD})[A-Za-z0-9_-]{{0,20}})[ ](\\{{0,7}}["'`])([^\s"'`\\]{{6,}})["'`\\]"""


def _quoted(text: bytes) -> Iterator[Hit]:
    for match in compiled(_QUOTED).finditer(text):
        name = text[match.start(1) : match.end(1)].decode("latin-1")
        start, end = match.span(3)
        piece = text[start:end]
        said = re.search(rb"[0-9]", piece) or (piece != piece.lower() and piece != piece.upper())
        if said and is_secret_name(name):
            yield from _hit(text, start, end, "secret", "prose", name)


def _prose(text: bytes) -> Iterator[Hit]:
    for match in compiled(_SAID + r"([\"'`]?)([^\s\"'`]{4,200})").finditer(text):
        start, end = match.span(2)
        piece = text[start:end].rstrip(b".,;:!?)]}")
        digits = re.search(rb"[0-9]", piece) is not None
        signs = re.search(rb"[!@#$%^&*+?~]", piece) is not None
        letters = re.search(rb"[A-Za-z]", piece) is not None
        code = re.search(rb"[A-Za-z_][\w.]*[(\[]", piece) is not None
        humps = re.search(rb"[a-z][A-Z]|[A-Z]{2}[a-z]", piece) is not None
        if len(piece) > 4 and letters and (digits or signs or humps) and not code:
            yield from _hit(text, start, start + len(piece), "secret", "prose")
