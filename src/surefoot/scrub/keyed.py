"""What stands behind the name of a secret: ``password=…``, ``"api_key": "…"``, ``Authorization: …``.

A first look finds a word such as ``token`` that something is assigned to; the name's beginning and
the value are then read from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache, partial

from .engine import compiled, literal
from .hits import Hit, Rule
from .marks import is_no_secret
from .names import DSN_NAMES, KEYWORDS, is_secret_name, own_names, personal_name, words_of
from .personal import stands_named
from .reading import LONGEST_PLAIN, Value, closing, opening, plain_value, value_at

__all__ = ["is_own_name", "keyed_rule"]

LONGEST_NAME = 80

# Behind the word: the rest of the name, what closes it, and the sign. An annotation may stand between.
_BEHIND = (
    r"[A-Za-z0-9_.\-]{0,40}(?:[ ](?:provided|given|used|supplied|received|id))?"
    r"""(?:\\{0,7}["'`])?\]?[ \t]{0,8}"""
    r"(?::[ ]?(?:[Oo]ptional\[)?(?:typing\.)?(?:str|bytes|string|Text|Any|Secret[A-Z][a-z]+)\]?(?:[ ]\|[ ]None)?[ ]?="
    r"|=>|:=|={1,2}|:{1,2}|%3[dDaA]|->|,[ ]?value=)"
)
_PERSONAL_WORDS = "e?mail|phone|mobile|ssn|iban|card|social|fax|tel|cell|pan|whatsapp"


def keyed_rule(names: tuple[str, ...] = (), personal: tuple[str, ...] = ()) -> Rule:
    """:param names: more names of secrets.
    :param personal: kinds of personal data that are looked for by their names, too.
    """
    words = [KEYWORDS, *(_loose(name) for name in names)]
    if personal:
        words.append(_PERSONAL_WORDS)
    scan = f"(?i:{'|'.join(words)}){_BEHIND}"
    find = partial(_keyed, scan, own_names(names), personal)
    return Rule("keyed", (scan,), find, "it stands behind a secret's name")


def _loose(name: str) -> str:
    return "[-_. ]?".join(literal(word) for word in words_of(name))


@lru_cache(maxsize=4096)
def is_own_name(name: str, own: frozenset[tuple[str, ...]]) -> bool:
    """Whether ``name`` has the words of one of the user's own in it."""
    words = tuple(words_of(name))
    for one in own:
        if "".join(words) == "".join(one):
            return True
        if any(words[at : at + len(one)] == one for at in range(len(words) - len(one) + 1)):
            return True
    return False


def _keyed(
    scan: str, own: frozenset[tuple[str, ...]], personal: tuple[str, ...], text: bytes
) -> Iterator[Hit]:
    reached = 0
    for match in compiled(scan).finditer(text):
        begin, end = match.span()
        if begin < reached:
            continue  # within a value that is hidden already
        name = _name(text, begin, end)
        if is_secret_name(name) or (own and is_own_name(name, own)):
            for hit in _behind(text, end, name):
                reached = max(reached, hit.end)
                yield hit
            continue
        kind = personal_name(name)
        if kind is not None and kind in personal:
            for start, stop in stands_named(text, end, kind):
                yield Hit(start, stop, kind, f"personal: {kind}", name)
        elif name.lower() in ("key", "code") and text[begin - 1 : begin] in (b"?", b"&"):
            yield from _parameter(text, end, name)


_STOPS = (b" ", b"\t", b'"', b"'", b"`", b"]", b":", b"=", b"\\", b"%", b"->", b",")
_SECOND_WORDS = frozenset({"key", "keys", "string", "phrase", "code", "token", "pin", "data"})
_IN_NAMES = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-")


def _name(text: bytes, begin: int, end: int) -> str:
    """The whole name of which a word was found; with the word before it where the name is two:
    ``API key:``."""
    start = begin
    first = max(0, begin - LONGEST_NAME)
    while start > first and text[start - 1] in _IN_NAMES:
        start -= 1
    before = text[start - 1 : start] if start else b""
    if before == b"%" and start + 2 <= begin:
        start += 2  # %26token%3D
    elif before == b"\\" and start < begin and text[start] in b"nrt":
        start += 1  # \ntoken=
    piece = text[start:end]
    stop = min((at for at in map(piece.find, _STOPS) if at > 0), default=len(piece))
    name = piece[:stop].decode("latin-1")
    if before == b" " and name.lower() in _SECOND_WORDS:
        other = start - 1
        while other > 0 and start - other < 24 and text[other - 1] in _IN_NAMES:
            other -= 1
        name = f"{text[other : start - 1].decode('latin-1')}_{name}"
    return name.strip("_-.")


def _behind(text: bytes, end: int, name: str) -> Iterator[Hit]:
    lower = name.lower()
    if lower.endswith(("authorization", "authenticate")):
        return _authorization(text, end, name)
    if lower.endswith(("cookie", "cookies")):
        return _cookies(text, end, name)
    if lower.split(".")[-1].replace("-", "_").endswith(DSN_NAMES):
        return _dsn(text, end, name)
    return _plain(text, end, name)


def _dsn(text: bytes, at: int, name: str) -> Iterator[Hit]:
    """A password within it is found by other rules, which keep the rest; else all of it."""
    value = value_at(text, at)
    if value is not None and not re.search(rb"://|=", text[value.start : value.end]):
        yield from _hidden(text, value, name)


@cache
def _scheme() -> re.Pattern[bytes]:
    return re.compile(
        rb"(?i)(?:bearer|basic|token|apikey|api-key|digest|negotiate|ssws|splunk|bot|jwt|oauth|geniekey"
        rb"|hmac|sharedkey|sharedkeylite|key|aws4-hmac-sha256|googlelogin|discogs|klaviyo-api-key|mac"
        rb"|pveapitoken|dpop|hawk|sso-key|elastic)"
        rb"[ \t:=]{1,4}(?:(?:token|auth)=)?(?=[^\s\"'\\])"
    )


def _plain(text: bytes, at: int, name: str) -> Iterator[Hit]:
    listed = list(_listed(text, at, name))
    if listed:
        yield from listed
        return
    value = value_at(text, at)
    if value is None:
        return
    if text[at - 3 : at].lower() == b"%3d":  # within a parameter of a URL: another one ends it
        end = text.find(b"%26", value.start, value.end)
        value = Value(value.start, end if end > 0 else value.end, value.quoted)
    # `"token": "Bearer …"`, `token=Bearer …`
    limit = value.end if value.quoted else value.end + 3
    scheme = _scheme().match(text, value.start, limit)
    if scheme is not None and value.quoted:
        value = Value(scheme.end(), value.end, True)
    elif scheme is not None:
        value = plain_value(text, scheme.end()) or value
    yield from _hidden(text, value, name)


@cache
def _list() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8}[\[(][ \t]{0,8}")


@cache
def _comma() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8},[ \t]{0,8}")


def _listed(text: bytes, at: int, name: str) -> Iterator[Hit]:
    """``"api_keys": ["a", "b"]``"""
    listed = _list().match(text, at)
    place = listed.end() if listed is not None else at
    for _ in range(100 if listed is not None else 0):
        opened = opening(text, place)
        if opened is None:
            return
        end = closing(text, opened)
        yield from _hidden(text, Value(opened.end(), end, True), name)
        comma = _comma().match(text, end + len(opened.group(1)) + 1)
        if comma is None:
            return
        place = comma.end()


def _hidden(text: bytes, value: Value, name: str) -> Iterator[Hit]:
    secret = text[value.start : value.end].decode("utf-8", "replace")
    if is_no_secret(secret) or (not value.quoted and _is_code(text, value, name)):
        return
    yield Hit(value.start, value.end, "secret", "keyed", name)


@cache
def _code() -> re.Pattern[bytes]:
    """Where programs keep their settings: ``settings.api_key``, ``os.environ``."""
    return re.compile(
        rb"(?:self|cls|os|settings?|config|conf|cfg|args?|options|opts|env|environ|request|req|process"
        rb"|context|ctx|params|kwargs|secrets|st|vars?|vault|app|client|session|data|payload|values"
        rb"|local|module|this|import|event|user|body|response|res|resp|headers|props|state|input|result"
        rb"|creds|credentials|item|obj|row|ssm|each)(?:\.[A-Za-z_]\w{0,80})+"
    )


@cache
def _call() -> re.Pattern[bytes]:
    return re.compile(rb"[A-Za-z_][\w.]{0,200}[(\[]")


def _is_code(text: bytes, value: Value, name: str) -> bool:
    """Whether it is an expression of a program, or a word or number of a message."""
    secret = text[value.start : value.end]
    if _call().match(text, value.start, value.end + 1) or _code().fullmatch(secret):
        return True
    lower = name.lower()
    strong = any(word in lower for word in ("pass", "pwd", "secret", "pin", "otp"))
    if not strong and (secret.isdigit() and len(secret) < 6 or not any(map(_is_sign, secret))):
        return True
    word = secret.decode("latin-1")
    if not word.isascii() or not word.replace("_", "").isalpha():
        return False
    if is_secret_name(word):
        return True  # api_key=api_key, password: user_password
    # prose behind a colon: `Invalid API key: please check`
    prose = _prose().match(text, value.end, value.end + 24) is not None
    return prose and word.islower() and len(word) < 16 and (not strong or text[value.start - 2] == 0x3A)


def _is_sign(byte: int) -> bool:
    return byte > 127 or chr(byte).isalnum()


@cache
def _prose() -> re.Pattern[bytes]:
    return re.compile(rb" [a-z]{2,}(?:[ ,.]|\Z)")


def _line(text: bytes, at: int) -> tuple[int, int, bool]:
    """What a header holds: up to the closing quotation mark, or the end of the line."""
    opened = opening(text, at)
    if opened is not None:
        return opened.end(), closing(text, opened), True
    match = _header().match(text, at, at + LONGEST_PLAIN)
    return match.span(1) + (False,) if match is not None else (at, at, False)


@cache
def _header() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8}([^\r\n\"'`\\]*)")


_ONE_WORD = frozenset(
    b"bearer basic token apikey api-key negotiate ssws splunk bot jwt geniekey sso-key".split()
)


@cache
def _one_word() -> re.Pattern[bytes]:
    return re.compile(rb"[^\s\"'`\\,;)\]}]*")


def _authorization(text: bytes, at: int, name: str) -> Iterator[Hit]:
    """All of a header but the scheme's name."""
    start, end, quoted = _line(text, at)
    scheme = _scheme().match(text, start, end)
    if scheme is not None:
        start = scheme.end()
        if not quoted and scheme.group().split()[0].lower() in _ONE_WORD:
            word = _one_word().match(text, start, end)
            end = word.end() if word is not None else end
    piece = text[start:end].rstrip()
    secret = piece.decode("utf-8", "replace")
    if not is_no_secret(secret) and not (scheme is None and _is_prose(secret[:200])):
        yield Hit(start, start + len(piece), "secret", "keyed", name)


def _is_prose(value: str) -> bool:
    """
    >>> _is_prose("header is missing"), _is_prose("ApiKey a b9")
    (True, False)
    """
    words = [word.strip(".,:;!?()") for word in value.split()]
    return len(words) > 1 and all(word.isalpha() and word[1:].islower() for word in words if word[1:])


_ATTRIBUTES = frozenset(
    b"path domain expires max-age samesite secure httponly priority partitioned version".split()
)


@cache
def _cookie_name() -> re.Pattern[bytes]:
    return re.compile(rb"\s*[\w!#$%&*+.^|~-]{1,80}\s*")


def _cookies(text: bytes, at: int, name: str) -> Iterator[Hit]:
    """The value of each cookie; names and attributes stay."""
    start, end, quoted = _line(text, at)
    found = False
    place = start
    for part in text[start:end].split(b";"):
        key, equals, value = part.partition(b"=")
        bare = value.strip()
        if equals and _cookie_name().fullmatch(key):
            found = True
            if not quoted:
                bare = bare.split()[0] if bare else bare  # the line of a log may go on behind it
            if key.strip().lower() not in _ATTRIBUTES and not is_no_secret(bare.decode("latin-1")):
                begin = place + len(key) + 1 + len(value) - len(value.lstrip())
                yield Hit(begin, begin + len(bare), "cookie", "keyed", name)
        place += len(part) + 1
    if not found:
        value_ = Value(start, end, True) if quoted else plain_value(text, at)
        if value_ is not None:
            yield from _hidden(text, value_, name)


def _parameter(text: bytes, at: int, name: str) -> Iterator[Hit]:
    """``?key=…`` in a URL, where it is long and says nothing."""
    value = plain_value(text, at)
    if value is None:
        return
    piece = re.split(rb"[&#]", text[value.start : value.end])[0]
    if len(piece) >= 16 and re.search(rb"\d", piece) and re.search(rb"[A-Za-z]", piece):
        yield Hit(value.start, value.start + len(piece), "secret", "keyed", name)
