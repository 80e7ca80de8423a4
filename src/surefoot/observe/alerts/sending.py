"""Sending one message through Apprise, in a thread of its own, with a hard time limit.

The only module that imports Apprise. Its URL is a secret: what Apprise and its libraries log while
they send goes nowhere but into the reason of a failure, and that is scrubbed.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote, urlsplit

from ...journal.alerts import MessageRecord
from ...scrub import is_secret_name
from .messages import as_html, as_text
from .options import SinkOptions, UrlMissing

__all__ = ["MISSING", "Courier", "Delivery", "hidden", "secrets_of"]

MISSING = "Apprise is not installed; install it with: pip install 'surefoot[alerts]'"
PERHAPS = " (perhaps told before)"
TALKATIVE = ("apprise", "urllib3", "urllib3.connectionpool", "requests")
"""Loggers that tell URLs, while something is sent."""
LONGEST_WHY = 500


class Delivery:
    """One attempt to send one message. ``why`` is None once it arrived, else what failed; it is only
    there when ``ended`` is true."""

    def __init__(self, sink: SinkOptions, message: MessageRecord) -> None:
        self.sink = sink
        self.message = message
        self.ended = False
        self.why: str | None = None


class Courier(threading.Thread):
    """Sends to one sink, one message after another. It is there before it is needed: from Python 3.12
    on no thread starts once the interpreter is ending, which is when much is to be sent.

    :param clean: takes secrets out of a text. :param wake: called when a delivery ends.
    """

    def __init__(self, name: str, clean: Callable[[str], str], wake: Callable[[], None]) -> None:
        # a daemon: a sink that hangs never keeps a process from ending
        super().__init__(name=f"surefoot-alerts-{name}", daemon=True)
        self._jobs: SimpleQueue[Delivery | None] = SimpleQueue()
        self._clean = clean
        self._wake = wake

    def give(self, delivery: Delivery | None) -> None:
        """Send that; None: there is no more."""
        self._jobs.put(delivery)

    def run(self) -> None:
        while True:
            delivery = self._jobs.get()
            if delivery is None:
                return
            try:
                delivery.why = _send(delivery.sink, delivery.message, self._clean)
            except (
                BaseException
            ) as exc:  # a plugin may raise anything, and nobody else would see it
                delivery.why = self._safe(f"{type(exc).__name__}: {_said(exc)}", delivery.sink)
            delivery.ended = True
            self._wake()

    def _safe(self, text: str, sink: SinkOptions) -> str:
        try:
            return self._clean(hidden(text, sink))[:LONGEST_WHY]
        except Exception:
            return "it failed, and why cannot be told"


def _send(sink: SinkOptions, message: MessageRecord, clean: Callable[[str], str]) -> str | None:
    """Why it failed; None if it did not."""
    try:
        url = sink.address()
    except UrlMissing as exc:
        return str(exc)
    try:
        import apprise
    except ImportError:
        return MISSING
    with _Overheard() as overheard:
        asset = apprise.AppriseAsset(app_id="Surefoot", app_desc="Surefoot", async_mode=False)
        # one instance a message: one that is used again sleeps between its requests
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        arrived = plugin is not None and _notify(plugin, message)
    if arrived:
        return None
    told = "; ".join(overheard.lines) or "the service did not take it, and did not say why"
    if plugin is None:
        told = f"this is no URL that Apprise knows, or a package is missing: {told}"
    return clean(hidden(told, sink))[:LONGEST_WHY]


def _notify(plugin: Any, message: MessageRecord) -> bool:
    title = message.title + (PERHAPS if message.perhaps else "")
    form, body = _shown(plugin, message.body)
    return bool(plugin.notify(body=body, title=title, notify_type=_type(message), body_format=form))


def _shown(plugin: Any, body: str) -> tuple[str, str]:
    """The service's own format, or the one that its URL asks for (``?format=``), and the body in it."""
    known = getattr(plugin, "notify_format", "text")
    several = known if isinstance(known, (tuple, list)) else (known,)
    formats = [str(getattr(one, "value", one)) for one in several]
    asked = getattr(plugin, "_format_override", None)
    asked = str(getattr(asked, "value", asked))
    form = asked if asked in formats else formats[0]
    if form == "markdown":
        return form, body
    return (form, as_html(body)) if form == "html" else ("text", as_text(body))


def _type(message: MessageRecord) -> str:
    if message.phase == "resolved":
        return "success"
    levels = {"info": "info", "warning": "warning"}
    return levels.get(message.severity, "failure")


def _said(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:
        return "(its message cannot be read)"


class _Overheard(logging.Filter):
    """What the libraries log in this thread while it sends: kept here, and shown nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        if record.levelno >= logging.WARNING and len(self.lines) < 5:
            try:
                self.lines.append(record.getMessage().strip().rstrip("."))
            except Exception:
                self.lines.append("(a log record that cannot be read)")
        return False

    def __enter__(self) -> _Overheard:
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for name in TALKATIVE:
            logging.getLogger(name).removeFilter(self)


# -- what must not be seen ------------------------------------------------------------------------


def hidden(text: str, sink: SinkOptions) -> str:
    """``text`` without anything of the sink's URL that may be a secret.

    >>> hidden("POST /services/T1A/B2B/xyz0 failed", SinkOptions("s", "slack://T1A/B2B/xyz0"))
    'POST /services/[secret]/[secret]/[secret] failed'
    """
    try:
        url = sink.address()
    except UrlMissing:
        return text
    for part in sorted({url, *_parts(url)}, key=len, reverse=True):
        text = text.replace(part, "[secret]")
    return text


def secrets_of(sink: SinkOptions) -> list[str]:
    """Those that are secret wherever they stand: the URL, its password, and what looks like a key.

    >>> secrets_of(SinkOptions("s", "mailto://me:hunter2x@mail.example/team"))
    ['mailto://me:hunter2x@mail.example/team', 'hunter2x']
    """
    try:
        url = sink.address()
    except UrlMissing:
        return []
    password = _split(url)[1]
    keys = [part for part in _parts(url) if part != password and _is_key(part)]
    return [url, *([password] if len(password) >= 6 else []), *keys]


def _is_key(part: str) -> bool:
    """Long, and no word that stands in other texts, too."""
    mixed = bool(re.search(r"\d", part)) and bool(re.search(r"[A-Za-z]", part))
    return (len(part) >= 8 and mixed) or len(part) >= 24


def _split(url: str) -> tuple[str, str, str, str, str]:
    """User, password, host, path and query; whatever cannot be read is all of them."""
    try:
        found = urlsplit(url)
        return (
            unquote(found.username or ""),
            unquote(found.password or ""),
            # of netloc, since `hostname` is in small letters
            found.netloc.rpartition("@")[2].partition(":")[0],
            found.path,
            found.query,
        )
    except ValueError:
        return "", "", "", url.partition("://")[2], ""


def _parts(url: str) -> list[str]:
    user, password, host, path, query = _split(url)
    found = [password, *(unquote(part) for part in path.split("/"))]
    if "." not in host and host != "localhost":
        found.append(host)  # slack://TOKEN/TOKEN/TOKEN: no host at all
    if not password and user and "@" not in user:
        found.append(user)
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if is_secret_name(name) or _is_key(value):
            found.append(unquote(value))
    return [part for part in dict.fromkeys(found) if len(part) >= 3]
