"""Secrets in SQL: where a statement sets a password, and the values that an INSERT gives to columns
that are named for secrets, in the statement or in the parameters told with an error of SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial

from .engine import compiled, unbounded
from .hits import Hit, Rule
from .marks import is_no_secret
from .names import is_secret_name

__all__ = ["sql_rules"]

_SIGN = r"(?:[ \t\r\n]{1,4}(?:=[ ]?)?|=[ ]?)(?:N|E|U&|X|0x)?\\{0,7}'"
_STRING = rf"{_SIGN}((?:[^'\\]|''|\\[^'])*)\\{{0,7}}'"
_HEADS = (
    r"(?i:\bidentified(?:[ ]+with[ ]+[\"'`]?[a-z0-9_]{1,40}[\"'`]?)?[ ]+(?:by|as)(?:[ ]+password|[ ]+values)?)",
    r"(?i:\bpassword(?:[ ]+for[ ]+[^\s=]{1,100})?)",
    r"(?i:\b(?:secret|key_id|aws_key_id|aws_secret_key|aws_token|session_token|azure_sas_token|private_key|account_key))",
)
# Oracle's needs no quotes; SQLCipher's key is no password by name.
_BARE = r"(?i:\bidentified[ ]+by[ ]+(?:values[ ]+)?)\"?([^\s\"'\\;,]{3,})"
_PRAGMA = r"(?i:\bpragma[ ]+(?:[a-z_]+\.)?(?:re|hex)?key[ ]*=[ ]*)(?:\\*[\"'])?(?:x?\\*')?([^\s\"'\\;]{3,})"
_FUNCTION = (
    r"(?i:\b(?:password|old_password|pwdencrypt|pwdcompare|pgp_sym_(?:en|de)crypt(?:_bytea)?|(?:aes|des)_(?:en|de)crypt"
    r"|hmac|crypt|encryptbypassphrase|decryptbypassphrase)\()"
)
_ALGORITHMS = frozenset(b"md5 sha1 sha224 sha256 sha384 sha512 bf des aes hex base64".split())
_INSERT = r"(?i:\binsert[ \t\r\n]+into[ \t\r\n]+[^\s(]{1,120}[ \t\r\n]{0,4})\("


def sql_rules() -> list[Rule]:
    why = "SQL takes it for a secret here"
    rules = [
        Rule("sql", (unbounded(head + _SIGN),), partial(_statement, head + _STRING), why)
        for head in _HEADS
    ]
    for pattern in (_BARE, _PRAGMA):
        trigger = unbounded(pattern)
        rules.append(Rule("sql", (trigger,), partial(_statement, pattern), why))
    rules.append(Rule("sql", (_FUNCTION,), _functions, why))
    rules.append(
        Rule("sql", (unbounded(_INSERT),), _inserted, "SQL puts it into a secret's column")
    )
    return rules


def _hit(text: bytes, start: int, end: int, name: str = "") -> Iterator[Hit]:
    if not is_no_secret(text[start:end].decode("utf-8", "replace")):
        yield Hit(start, end, "secret", "sql", name)


def _statement(pattern: str, text: bytes) -> Iterator[Hit]:
    for match in compiled(pattern).finditer(text):
        yield from _hit(text, *match.span(1))


def _functions(text: bytes) -> Iterator[Hit]:
    whole = _FUNCTION + r"((?:[^()]|\([^()]*\))*)\)"
    for match in compiled(whole).finditer(text):
        begin, end = match.span(1)
        for one in _string().finditer(text, begin, min(end, begin + 2_000)):
            if one.group(1).lower() not in _ALGORITHMS:
                yield from _hit(text, *one.span(1))


@cache
def _string() -> re.Pattern[bytes]:
    return re.compile(rb"'((?:[^'\\]|''|\\.)*)'")


@cache
def _row_begins() -> re.Pattern[bytes]:
    return re.compile(rb"(?i:\bvalues\s{0,4}\(|\),?\s{0,4}\(|\[parameters:\s{0,4}\[?\()")


@cache
def _item() -> re.Pattern[bytes]:
    return re.compile(
        rb"""\s{0,8}(?:[A-Za-z]{0,2}'((?:[^'\\]|''|\\.)*)'|"((?:[^"\\]|\\.)*)"|[^,()'"]{0,200})\s{0,8}([,)])"""
    )


def _inserted(text: bytes) -> Iterator[Hit]:
    matches = [
        (*match.span(1), match.end()) for match in compiled(rf"{_INSERT}([^()]+)\)").finditer(text)
    ]
    for number, (start, end, at) in enumerate(matches):
        columns = [
            one.strip(b" \t\r\n\"'`[]\\").decode("latin-1") for one in text[start:end].split(b",")
        ]
        wanted = {place: name for place, name in enumerate(columns) if is_secret_name(name)}
        if not wanted:
            continue
        limit = min(len(text), at + 20_000)
        if number + 1 < len(matches):
            limit = min(limit, matches[number + 1][0])
        for row in _row_begins().finditer(text, at, limit):
            yield from _row(text, row.end(), limit, wanted)


def _row(text: bytes, at: int, limit: int, wanted: dict[int, str]) -> Iterator[Hit]:
    for number in range(max(wanted) + 1):
        match = _item().match(text, at, limit)
        if match is None:
            return
        group = 1 if match.group(1) is not None else 2
        if number in wanted and match.group(group) is not None:
            yield from _hit(text, *match.span(group), name=wanted[number])
        if match.group(3) == b")":
            return
        at = match.end()
