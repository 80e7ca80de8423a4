"""What stands behind the name of a secret: ``password=…``, ``"api_key": "…"``, ``Authorization: …``.

A first look finds a word such as ``token`` that something is assigned to; the name's beginning and
the value are then read from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial

from .engine import bounded, compiled, literal, unbounded
from .hits import CLOSE, FULL, MANY, Hit, Rule
from .marks import is_no_secret
from .names import DSN_NAMES, KEYWORDS, is_secret_name, own_names, personal_name, words_of
from .personal import stands_named
from .reading import Value, closing, plain_value, start_of, value_at, whole

__all__ = ["is_own_name", "keyed_rule"]

LONGEST_NAME = 80

# Behind the word: the rest of the name, what closes it, and the sign. An annotation may stand between.
_BEHIND = (
    r"[A-Za-z0-9_.\-]{0,40}(?:[ ](?:provided|given|used|supplied|received|id))?"
    r"""(?:\\{0,7}["'`])?\]?[ \t]{0,8}"""
    r"(?::[ ]?(?:[Oo]ptional\[)?(?:str|bytes|string|Text|Any|Secret[A-Z][a-z]+)\]?(?:[ ]\|[ ]None)?[ ]?="
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
    return Rule("keyed", (unbounded(scan),), find, "it stands behind a secret's name")


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
) -> list[Hit]:
    out: list[Hit] = []
    names: dict[bytes, str] = {}
    hows: dict[str, str] = {}
    reached = 0
    for match in compiled(unbounded(scan) if bounded() else scan).finditer(text):
        begin, end = match.span()
        if begin < reached:
            continue  # within a value that was read already
        if len(out) > MANY and len(out) * CLOSE > begin:
            out.append(Hit(begin, len(text), FULL, "keyed"))
            break
        head = text[begin - LONGEST_NAME if begin > LONGEST_NAME else 0 : begin]
        start = begin - len(head) + len(head.rstrip(_IN_NAMES))
        raw = text[start - 1 if start else 0 : end]
        name = names.get(raw)
        if name is None:
            name = _name(text, start, begin, end)
            if raw[:1] != b" " or "_" not in name:  # else it has the word before in it
                names[raw] = name
        how = hows.get(name)
        if how is None:
            how = hows[name] = _how(name, own, personal)
        if how:
            reached = max(reached, _READ[how](text, end, name, out))
    return out


_STOPS = rb"[^ \t\"'`\]:=\\%,]+"
_SECOND_WORDS = frozenset({"key", "keys", "string", "phrase", "code", "token", "pin", "data"})
_IN_NAMES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-"


@cache
def _stops() -> re.Pattern[bytes]:
    return re.compile(_STOPS)


def _name(text: bytes, start: int, begin: int, end: int) -> str:
    """The whole name of which a word was found; with the word before it where the name is two:
    ``API key:``."""
    before = text[start - 1 : start] if start else b""
    if before == b"%" and start + 2 <= begin:
        start += 2  # %26token%3D
    elif before == b"\\" and start < begin and text[start] in b"nrt":
        start += 1  # \ntoken=
    match = _stops().match(text, start, end)
    name = match.group().decode("latin-1") if match is not None else ""
    if before == b" " and name.lower() in _SECOND_WORDS:
        head = text[max(0, start - 25) : start - 1]
        word = head[len(head.rstrip(_IN_NAMES)) :]
        if word.isalpha():
            name = f"{word.decode('latin-1')}_{name}"
    elif before in (b"?", b"&") and name.lower() in ("key", "code"):
        return before.decode() + name
    return name.strip("_-.")


# Names of secrets and of other things: the value tells.
_WEAK = frozenset({"routing_key", "session_id", "session_key", "sid", "state_token"})


def _how(name: str, own: frozenset[tuple[str, ...]], personal: tuple[str, ...]) -> str:
    if name[:1] in ("?", "&") or "_".join(words_of(name)[-2:]) in _WEAK:
        return "parameter"
    if is_secret_name(name) or (own and is_own_name(name, own)):
        lower = name.lower()
        if lower.endswith(("authorization", "authenticate")):
            return "authorization"
        if lower.endswith(("cookie", "cookies")):
            return "cookies"
        dsn = lower.split(".")[-1].replace("-", "_").endswith(DSN_NAMES)
        return "dsn" if dsn else "plain"
    kind = personal_name(name)
    return kind if kind is not None and kind in personal else ""


def _dsn(text: bytes, at: int, name: str, out: list[Hit]) -> int:
    """A password within it is found by other rules, which keep the rest; else all of it."""
    value = value_at(text, at)
    if value is None or re.search(rb"://|=", text[value.start : value.end]):
        return 0
    return _hide(text, value, name, out)


@cache
def _scheme() -> re.Pattern[bytes]:
    return re.compile(
        rb"(?i)(?:bearer|basic|token|apikey|api-key|digest|negotiate|ssws|splunk|bot|jwt|oauth|geniekey"
        rb"|hmac|sharedkey|sharedkeylite|key|aws4-hmac-sha256|googlelogin|discogs|klaviyo-api-key|mac"
        rb"|pveapitoken|dpop|hawk|sso-key|elastic)"
        rb"[ \t:=]{1,4}(?:(?:token|auth)=)?(?=[^\s\"'\\])"
    )


def _plain(text: bytes, at: int, name: str, out: list[Hit]) -> int:
    start = start_of(text, at)
    if start.group(2) is not None:
        value = Value(start.end(), closing(text, start), True)
        scheme = _scheme().match(text, value.start, value.end)
        if scheme is not None:  # `"token": "Bearer …"`
            value = Value(scheme.end(), value.end, True)
        return _hide(text, value, name, out)
    if start.group(3) in (b"[", b"("):
        reached = _listed(text, start.end(), name, out)
        if reached:
            return reached
    elif start.group(3) is None and _call().match(text, start.end(), start.end() + 120):
        return 0  # token = fetch(…)
    plain = plain_value(text, start)
    if plain is None:
        return 0
    if text[at - 3 : at].lower() == b"%3d":  # within a parameter of a URL: another one ends it
        end = text.find(b"%26", plain.start, plain.end)
        plain = Value(plain.start, end if end > 0 else plain.end, False)
    if name.lower().endswith("signature"):  # t=…,v1=…
        all_ = _signature().match(text, plain.start)
        plain = Value(plain.start, max(plain.end, all_.end() if all_ is not None else 0), False)
    scheme = _scheme().match(text, plain.start, plain.end + 3)
    if scheme is not None:  # `token=Bearer …`
        plain = plain_value(text, start_of(text, scheme.end())) or plain
    return _hide(text, plain, name, out)


@cache
def _signature() -> re.Pattern[bytes]:
    return re.compile(rb"[A-Za-z0-9_=,+/~.-]{1,800}")


@cache
def _comma() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8},")


def _listed(text: bytes, at: int, name: str, out: list[Hit]) -> int:
    """``"api_keys": ["a", "b"]``"""
    reached = 0
    for _ in range(100):
        start = start_of(text, at)
        if start.group(2) is None:
            break
        end = closing(text, start)
        reached = _hide(text, Value(start.end(), end, True), name, out) or end
        comma = _comma().match(text, end + len(start.group(1)) + 1)
        if comma is None:
            break
        at = comma.end()
    return reached


def _hide(text: bytes, value: Value, name: str, out: list[Hit]) -> int:
    """Note a value, if it is a secret; up to where all is read."""
    secret = text[value.start : value.end]
    if not value.quoted and _is_code(text, value, secret, name):
        return 0
    if is_no_secret(secret.decode("utf-8", "replace")):
        return value.end if value.quoted else 0
    value = whole(text, value)
    out.append(Hit(value.start, value.end, "secret", "keyed", name))
    return value.end


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
    return re.compile(rb"[A-Za-z_][\w.]{0,100}[(\[]")


_STRONG = ("pass", "pwd", "secret", "pin", "otp")


def _is_code(text: bytes, value: Value, secret: bytes, name: str) -> bool:
    """Whether it is an expression of a program, or a word or number of a message."""
    if secret.isalpha() or (b"_" in secret and secret.replace(b"_", b"").isalpha()):
        word = secret.decode("latin-1")
        if is_secret_name(word):
            return True  # api_key=api_key, password: user_password
        if _annotated().match(text, value.end):
            return True  # auth: AuthTypes | None = None
        # prose behind a colon: `Invalid API key: please check`
        if word.islower() and len(word) < 16 and _prose().match(text, value.end, value.end + 24):
            return text[value.start - 2] == 0x3A or not _is_strong(name)
        return False
    if secret.isdigit():
        return len(secret) < 6 and not _is_strong(name)
    if b"." in secret and _code().fullmatch(secret):
        return True
    return not any(map(_is_sign, secret)) and (len(secret) < 4 or not _is_strong(name))


def _is_strong(name: str) -> bool:
    lower = name.lower()
    return any(word in lower for word in _STRONG)


def _is_sign(byte: int) -> bool:
    return byte > 127 or chr(byte).isalnum()


@cache
def _annotated() -> re.Pattern[bytes]:
    return re.compile(rb" [|] | = |\s{0,40}\) ->")


@cache
def _prose() -> re.Pattern[bytes]:
    return re.compile(rb" [a-z]{2,}(?:[ ,.]|\Z)")


@cache
def _header() -> re.Pattern[bytes]:
    return re.compile(rb"[ \t]{0,8}([^\r\n\"'`\\]*)")


LONGEST_HEADER = 1_000


def _line(text: bytes, at: int) -> Value:
    """What a header holds: up to the closing quotation mark, or the end of the line."""
    start = start_of(text, at)
    if start.group(2) is not None:
        return Value(start.end(), closing(text, start), True)
    match = _header().match(text, at, at + LONGEST_HEADER)
    return Value(*match.span(1), False) if match is not None else Value(at, at, False)


_ONE_WORD = frozenset(
    b"bearer basic token apikey api-key negotiate ssws splunk bot jwt geniekey sso-key".split()
)


@cache
def _parameters() -> re.Pattern[bytes]:
    """`username="…", response="…"`: quotation marks belong to it, where they come in pairs."""
    return re.compile(rb"""(?:[^\r\n\"'`\\]|"[^\"\r\n]{0,400}"|\\"[^\"\r\n]{0,400}\\")*""")


@cache
def _one_word() -> re.Pattern[bytes]:
    return re.compile(rb"\[[a-z0-9 .]{1,60}\]|[^\s\"'`\\,;)\]}]*")


def _authorization(text: bytes, at: int, name: str, out: list[Hit]) -> int:
    """All of a header but the scheme's name."""
    start, end, quoted = _line(text, at)
    scheme = _scheme().match(text, start, end)
    if scheme is not None:
        start = scheme.end()
        if not quoted:
            many = scheme.group().split()[0].lower() not in _ONE_WORD
            rest = (_parameters() if many else _one_word()).match(
                text, start, start + LONGEST_HEADER
            )
            end = rest.end() if rest is not None else end
    elif _words().fullmatch(text, start, min(end, start + 80)) or _is_prose(
        text[start : start + 80]
    ):
        return 0
    piece = text[start:end].rstrip()
    if is_no_secret(piece.decode("utf-8", "replace")):
        return 0
    out.append(Hit(start, start + len(piece), "secret", "keyed", name))
    return end


@cache
def _words() -> re.Pattern[bytes]:
    """A message: words of small letters, with blanks between."""
    return re.compile(rb"[A-Za-z]?[a-z']*(?:[ ,][a-z']+)+[.!]?")


def _is_prose(value: bytes) -> bool:
    """
    >>> _is_prose(b"header is missing in the"), _is_prose(b"ApiKey a b9")
    (True, False)
    """
    words = [word.strip(b".,:;!?()") for word in value.split()[:6]]
    return len(words) > 2 and all(
        word.isalpha() and (word.islower() or len(word) < 2) for word in words[1:]
    )


_ATTRIBUTES = frozenset(
    b"path domain expires max-age samesite secure httponly priority partitioned version".split()
)


@cache
def _cookie_name() -> re.Pattern[bytes]:
    return re.compile(rb"\s*[\w!#$%&*+.^|~-]{1,80}\s*")


def _cookies(text: bytes, at: int, name: str, out: list[Hit]) -> int:
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
                out.append(Hit(begin, begin + len(bare), "cookie", "keyed", name))
        place += len(part) + 1
    if found:
        return end
    whole_ = Value(start, end, True) if quoted else plain_value(text, start_of(text, at))
    return 0 if whole_ is None else _hide(text, whole_, name, out)


def _parameter(text: bytes, at: int, name: str, out: list[Hit]) -> int:
    """``?key=…`` in a URL, ``session_id``: where it is long and says nothing."""
    value = value_at(text, at)
    if value is None:
        return 0
    piece = re.split(rb"[&#]", text[value.start : value.end])[0]
    if _is_random(piece):
        out.append(Hit(value.start, value.start + len(piece), "secret", "keyed", name.lstrip("?&")))
    return 0


def _is_random(piece: bytes) -> bool:
    """
    >>> _is_random(b"orders.created.v2.eu"), _is_random(b"PLuo3zF4vMNTx_-2")
    (False, True)
    >>> _is_random(b"0d51499eeb4ba69dbe45c4cf5dd60a7f")
    True
    >>> _is_random(b"3fa85f64-5717-4562-b3fc-2c963f66afa6"), _is_random(b"2026-11-22-enrich-17")
    (False, False)
    """
    if len(piece) < 16 or _uuid().fullmatch(piece) or not re.search(rb"[0-9]", piece):
        return False
    if piece.isalnum() and len(piece) >= 20 and re.search(rb"[A-Za-z]", piece):
        return True
    return piece != piece.lower() and piece != piece.upper()


@cache
def _uuid() -> re.Pattern[bytes]:
    return re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _personal(kind: str, text: bytes, at: int, name: str, out: list[Hit]) -> int:
    for start, end in stands_named(text, at, kind):
        out.append(Hit(start, end, kind, f"personal: {kind}", name))
    return 0


_READ: Mapping[str, Callable[[bytes, int, str, list[Hit]], int]] = {
    "plain": _plain,
    "dsn": _dsn,
    "authorization": _authorization,
    "cookies": _cookies,
    "parameter": _parameter,
    **{kind: partial(_personal, kind) for kind in ("email", "phone", "card", "iban", "ssn")},
}
