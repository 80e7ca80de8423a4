"""Secrets on command lines: ``--password x``, ``curl -u user:x``, ``mysql -px``; also where the line is
a list, ``['mysql', '--password', 'x']``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .engine import compiled, unbounded
from .hits import Hit, Rule
from .marks import is_no_secret
from .names import is_secret_name
from .reading import value_at

__all__ = ["command_rules"]

_WORD = r"(?:pass|pwd|secret|token|key|auth|cred|cookie|dsn|jwt|otp|pin)"
_FLAG_TRIGGER = rf"""(?i:-[a-z0-9_-]*{_WORD}[a-z0-9_-]*)(?:\\*["'])?,?[ \t]"""
_Q = r"""\\{0,7}["']?"""
_GAP = rf"{_Q},?[ ]{{0,2}}{_Q}"
_VALUE = r"""([^\s"'\\,-][^\s"'\\]*)"""

# The tools and what they take a password from. The first part tells whether the second is worth it.
_TOOLS = (
    (
        r"\b(?:curl|wget|http|https|xh)[ \"',]",
        r"\b(?:curl|wget|http|https|xh)\b[^\r\n|;]*?[ \"'](?:-[a-zA-Z]{0,4}[uU]|--user|--proxy-user|--auth|-a)"
         rf"{_Q}[,=]?[ ]{{0,2}}{_Q}" + r"[^\s:\"'=/]{0,80}:([^\s\"'\\]+)",
    ),
    (
        r"\b(?:mysql|mariadb)",
        r"\b(?:mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump)\b[^\r\n|;]*?[ \"']-p([^\s\"'\\,-][^\s\"'\\]{2,})",
    ),
    (
        r"\b(?:sshpass|login|mongo[a-z]{0,10}|cqlsh)\b",
        (r"\b(?:sshpass|(?:docker|podman|nerdctl|az|acr|oc|registry)[ \"\',]+login|mongo|mongosh|mongodump|mongorestore|cqlsh)\b"
         rf"[^\r\n|;]*?[ \"']-p{_GAP}{_VALUE}"),
    ),
    (r"\bredis-cli\b", rf"\bredis-cli\b[^\r\n|;]*?[ \"']-a{_GAP}{_VALUE}"),
    (r"\bldap[a-z]{2,10}\b", rf"\bldap[a-z]{{2,10}}\b[^\r\n|;]*?[ \"']-w{_GAP}{_VALUE}"),
    (r"\b(?:sqlcmd|bcp|osql)\b", rf"\b(?:sqlcmd|bcp|osql)\b[^\r\n|;]*?[ \"']-P{_GAP}{_VALUE}"),
    (r"\b(?:zip|7za?|unzip|unrar|rar)\b[ \"',]", rf"\b(?:zip|7za?|unzip|unrar|rar)\b[ \"',][^\r\n|;]*?[ \"']-[pP]{_GAP}{_VALUE}"),
    (r"\bpass:", r"\bopenssl\b[^\r\n|;]*?\bpass:([^\s\"'\\]+)"),
    (r"\bsmbclient\b", rf"\bsmbclient\b[^\r\n|;]*?-U{_GAP}[^\s%\"']{{1,80}}%([^\s\"'\\]+)"),
    (r"(?i:\bnet use\b)", r"(?i:\bnet use\b[^\r\n|;]*?/user:[^\s]{1,80})[ ]([^\s/\"'\\][^\s\"'\\]*)"),
    (r"\bhtpasswd\b", r"\bhtpasswd\b[ ]-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}[ ][^\s]{1,100}[ ][^\s]{1,100}[ ]([^\s\"'\\]+)"),
    (r"\bchpasswd\b", r"\becho[ ][\"']?[a-z_][a-z0-9_-]{0,31}:([^\s\"'|]+)[\"']?[ ]?\|[ ]?(?:sudo )?chpasswd"),
    (
        r"(?i:\baws configure set)",
        r"(?i:\baws configure set)[ ]+(?:[a-z0-9_.-]{0,40}\.)?(?:aws_secret_access_key|aws_session_token|aws_access_key_id)[ ]+[\"']?([^\s\"']{8,})",
    ),
    (
        r"\bconfig[ ]",
        r"(?i:\b(?:npm|pip|poetry|git|composer|yarn|pnpm|conda)[ ]config[ ](?:set[ ]|--global[ ]|--auth[ ])*[a-z0-9_./:@-]{0,80}(?:auth|token|password)[a-z0-9_.-]{0,40})(?:[ ][a-z0-9._-]{1,40})?[ ]+[\"']?([^\s\"']{4,})",
    ),
    (
        r"(?i:\bset(?:x|env)?[ ]+[A-Z0-9_]{0,40}(?:pass|secret|token|key))",
        r"(?i:\bset(?:x|env)?[ ]+[A-Z0-9_]{0,40}(?:pass(?:word)?|secret|token|api_key|access_key)[A-Z0-9_]{0,20})[ ]+[\"']?([^\s\"'=]{4,})",
    ),
    (r"\bvault login\b", r"\bvault login(?:[ ]-[a-z-]{1,20})*[ ]+([^\s\"'=-][^\s\"'=]{8,})"),
)  # fmt: skip


def command_rules() -> list[Rule]:
    """One for flags that are named for secrets, and one for each tool that has others."""
    why = "a command takes it for a secret"
    rules = [Rule("command line", (_FLAG_TRIGGER,), _flags, why)]
    for trigger, pattern in _TOOLS:
        rules.append(Rule("command line", (unbounded(trigger),), partial(_tool, pattern), why))
    return rules


def _flags(text: bytes) -> Iterator[Hit]:
    flag = rf"""(?:^|[\s"'\[(,])--?([A-Za-z0-9_-]{{0,40}}(?i:{_WORD})[A-Za-z0-9_-]{{0,20}})(?:\\{{0,7}}["'])?,?[ \t]+"""
    for match in compiled(flag).finditer(text):
        name = text[match.start(1) : match.end(1)].decode("latin-1")
        value = value_at(text, match.end()) if is_secret_name(name) else None
        if value is None or (not value.quoted and text[value.start] in b"-|>"):
            continue
        if not is_no_secret(text[value.start : value.end].decode("utf-8", "replace")):
            yield Hit(value.start, value.end, "secret", "command line", name)


def _tool(pattern: str, text: bytes) -> Iterator[Hit]:
    for match in compiled(pattern).finditer(text):
        start, end = match.span(1)
        if not is_no_secret(text[start:end].decode("utf-8", "replace")):
            yield Hit(start, end, "secret", "command line")
