"""What a run needs, put together once: journal, clock, catalog, settings, listeners.

Also the public :func:`classify`, :func:`scrub` and :func:`hide`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clock import Clock, SystemClock
from .config import Config, brought_rules, default_journal, journal_path, journal_place, load_config
from .context import Frame, enter, frame, leave
from .errors import ConfigError, DefinitionError, InputError, JournalError
from .events import Event
from .model import BUILTIN_KINDS, Classification, Stage

if TYPE_CHECKING:
    from .blobs.objects import ObjectBlobs
    from .catalog import Catalog
    from .execution.faults import Injector
    from .execution.host import Host
    from .execution.spec import StepSpec
    from .isolation.pool import Pool
    from .journal import Journal
    from .observe.alerts.beside import Alerting
    from .observe.alerts.options import AlertOptions
    from .policy.incidents import IncidentOptions
    from .resources import Resource, Resources
    from .scrub import Scrubber, Watch

__all__ = ["Runtime", "classify", "hide", "scrub"]

Listener = Callable[[Event], None]

KEY_BYTES = 32
HEAR_EVERY = 0.5
"""Seconds between looks at what other processes have told."""


class Runtime:
    """Journal, clock, catalog and settings for all that happens inside its ``with`` block.

    :param journal: a path or URL; None is the configured or the default one.
    :param clock: time and chance; tests pass a :class:`surefoot.clock.ManualClock`.
    :param durability: ``power`` or ``process``; None is the configured one.
    :param lease: seconds; None is the configured one.
    :param config: settings; None reads them from files and the environment.
    :param listeners: called with each event (:mod:`surefoot.events`).
    :param seam: for failure tests, called around each journal write.
    :param faults: for failure tests, a :class:`surefoot.chaos.Injector`.
    :param host: an orchestrator that carries the calls out, :class:`surefoot.execution.host.Host`.

    Opening and loading happen when they are first needed, so making one costs nothing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Runtime(journal=f"{folder}/j.db") as runtime:
    ...     runtime.journal.runs()
    []
    """

    def __init__(
        self,
        journal: str | Path | None = None,
        *,
        clock: Clock | None = None,
        durability: str | None = None,
        lease: float | None = None,
        config: Config | None = None,
        listeners: Iterable[Listener] | None = None,
        seam: Callable[[str], None] | None = None,
        faults: Injector | None = None,
        host: Host | None = None,
        create: bool = True,
    ) -> None:
        self.faults = faults
        self.host = host
        self.config = config if config is not None else load_config()
        self.clock: Clock = clock or SystemClock()
        self.durability = durability or self.config.durability
        if self.durability not in ("power", "process"):
            raise ConfigError(f"durability={durability!r}: must be 'power' or 'process'")
        if lease is not None and not 0 < lease < 1e9:
            raise ConfigError(f"lease={lease!r}: must be a number of seconds above 0")
        self.lease = self.config.lease if lease is None else lease
        self._location = journal
        self._seam = seam if seam is not None or faults is None else faults.write
        self._create = create
        self._journal: Journal | None = None
        self._catalog: Catalog | None = None
        self._listeners: list[Listener] = list(listeners or ())
        self._warned: set[str] = set()
        self._resources: Resources | None = None
        self._workers: Pool | None = None
        self._scrubs: _Scrubs | None = None
        self._spare: _Scrubs | None = None
        self._marks: tuple[bool, bytes] | None = None
        self._alerting: Alerting | None = None
        self._opening = threading.Lock()
        self._heard = float("-inf")
        self._tokens: list[Token[Frame | None]] = []
        self.stopping = False

    # -- parts --------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The journal's file."""
        location = self._location if self._location is not None else self.config.journal
        if location is None:
            return default_journal(Path.cwd())
        return journal_path(str(location))

    @property
    def place(self) -> Path | str:
        """The journal's file, or its ``postgresql://`` URL, which may hold a password."""
        location = self._location if self._location is not None else self.config.journal
        return self.path if location is None else journal_place(str(location))

    @property
    def journal(self) -> Journal:
        """The journal, opened when it is first asked for.

        :raises JournalError: it cannot be used.
        """
        if self._journal is None:
            from .journal import Journal

            self._journal = Journal.open(
                self.place,
                self.clock,
                durability=self.durability,
                lease=self.lease,
                regression_after=self.incident_options.regression_after,
                seam=self._seam,
                create=self._create,
                blobs=self._blobs(),
            )
        return self._journal

    def _blobs(self) -> ObjectBlobs | None:
        """Where large checkpoints go, if not beside the journal.

        :raises ConfigError: a library for that URL is missing; the message names it.
        """
        if self.config.blobs is None:
            return None
        from .blobs.objects import open_objects

        return open_objects(self.config.blobs, self.clock, self.classify)

    @property
    def incident_options(self) -> IncidentOptions:
        """The table ``[incidents]``.

        :raises ConfigError: it is wrong.
        """
        from .policy.incidents import incident_options

        return incident_options(self.config.incidents, self.config.source)

    @property
    def catalog(self) -> Catalog:
        """The built-in rules and the user's, loaded at the first failure."""
        if self._catalog is None:
            self._catalog = _catalog(self.config.rules, json.dumps(dict(self.config.catalog)))
        return self._catalog

    @property
    def catalog_at_failure(self) -> Catalog:
        """The same where a failure is judged: what is wrong in the user's rules is warned about, and
        what is right goes on working."""
        try:
            return self.catalog
        except ConfigError:
            return _catalog(self.config.rules, json.dumps(dict(self.config.catalog)), careful=True)

    def check_settings(self) -> None:
        """What only some failure would need is looked at before a run begins.

        :raises ConfigError: there is a mistake in the user's rules, or in what is said of scrubbing or
            alerts.
        """
        if self.config.rules or self.config.catalog:
            self.catalog  # noqa: B018  reading it is what finds mistakes
        if self.config.scrub:
            self.scrubber  # noqa: B018
        self.keep_locals  # noqa: B018
        if self.config.alerts:
            self.alert_options()

    def alert_options(self) -> AlertOptions:
        """The table ``[alerts]``.

        :raises ConfigError: there is a mistake in it.
        """
        from .observe.alerts.options import alert_options

        return alert_options(
            self.config.alerts, self.config.source, lambda: list(self.catalog.kinds)
        )

    @property
    def alerting(self) -> Alerting | None:
        """What tells people of what happens; None where no sink is configured.

        :raises ConfigError: there is a mistake in the table ``[alerts]``.
        """
        if self._alerting is None and self.config.alerts.get("sinks"):
            from .observe.alerts.beside import Alerting
            from .observe.alerts.teller import Setting

            setting = Setting(
                self.place,
                self.alert_options(),
                self.clock,
                self.durability,
                self.scrub_text,
                lambda: self.catalog_at_failure.kinds,
            )
            self._alerting = Alerting(setting, lambda: self.journal)
        return self._alerting

    def tell_of_the_dead(self) -> None:
        """A run whose process died is about to be taken over: that is news while it can be seen."""
        if self.config.alerts.get("sinks"):
            self.safely(self._evaluate_alerts, self._evaluate_alerts)

    def _evaluate_alerts(self) -> None:
        if self.alerting is not None:
            self.alerting.evaluate()

    def _alert(self, event: Event) -> None:
        if self.alerting is not None:
            self.alerting.heard(event)

    def check_kinds(self, kinds: Iterable[str], where: str) -> None:
        """:raises DefinitionError: one of ``kinds`` is none; the message names the nearest."""
        unknown = [kind for kind in kinds if kind not in BUILTIN_KINDS]
        if not unknown:
            return
        known = self.catalog.kinds  # packages bring kinds, too
        for kind in unknown:
            if kind not in known:
                import difflib

                near = difflib.get_close_matches(kind, list(known), n=1)
                hint = f"did you mean {near[0]!r}?" if near else "see: surefoot catalog list"
                raise DefinitionError(f"{where}: on({kind!r}) names no kind; {hint}")

    # -- services of calls --------------------------------------------------------------------

    def classify(
        self, exc: BaseException, spec: StepSpec | None = None, after_inference: bool = False
    ) -> Classification:
        from .classify import classify as judge

        stage = spec.stage if spec is not None else None
        return judge(
            exc,
            catalog=self.catalog_at_failure,
            stage=stage,
            step=spec.name if spec is not None else None,
            # a stated stage is right: a file that is read after an inference is still data
            after_inference=after_inference and stage in (None, "postprocessing"),
            now=self.clock.now(),
        )

    @property
    def resources(self) -> Resources:
        """What its steps depend on, with their shared health.

        :raises ConfigError: a table ``[resources.<name>]`` is wrong.
        """
        if self._resources is None:
            from .resources import Resources
            from .resources.options import resource_options

            made = {}
            tables = self.config.resources
            if not isinstance(tables, Mapping):
                raise ConfigError(f"{self.config.source}: resources must be tables by name")
            for name, table in tables.items():
                try:
                    made[name] = resource_options(table)
                except ValueError as exc:
                    raise ConfigError(
                        f"{self.config.source}: [resources.{name}] must be {exc}"
                    ) from exc
            self._resources = Resources(made)
        return self._resources

    def resource(self, name: str) -> Resource:
        """One of them."""
        return self.resources.get(name)

    def hear(self) -> None:
        """Read what other processes have found out about resources, twice a second at most."""
        now = self.clock.monotonic()
        if now - self._heard < HEAR_EVERY:
            return
        self._heard = now
        from .journal.shared import shared_states

        wall = self.clock.now()
        for state in shared_states(self.journal.store):
            self.resource(state.name).hear(state.gate_until, state.open_until, wall)

    @property
    def workers(self) -> Pool:
        """The child processes of isolated steps; none is started before one is needed."""
        with self._opening:
            if self._workers is None:
                from .isolation.pool import Pool

                self._workers = Pool()
            return self._workers

    @property
    def listening(self) -> bool:
        return bool(self._listeners)

    def listen(self, listener: Listener) -> None:
        """Have ``listener`` called with each event from now on."""
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        """Tell all listeners; one that raises is warned about once and breaks nothing."""
        from .observe.logs import log_event

        self.safely(log_event, lambda: log_event(event, self.scrub_text))
        for listener in self._listeners:
            self.safely(listener, functools.partial(listener, event))
        if self.config.alerts:
            self.safely(self._alert, lambda: self._alert(event))

    def safely(self, who: Callable[..., Any], call: Callable[[], Any]) -> None:
        """Call what only looks on, or is told: what it raises breaks no run.

        :param who: the function by whose name it is warned about, once.
        """
        try:
            call()
        except Exception as exc:
            self.failed(who, exc)

    def failed(self, who: Callable[..., Any], exc: Exception) -> None:
        """Warn, once, about what looks on and failed."""
        name = getattr(who, "__qualname__", repr(who))
        if name in self._warned:
            return
        self._warned.add(name)
        try:
            said = self.scrub_text(str(exc))
        except Exception:  # it cannot be printed, or not be scrubbed
            said = "(what it says is dropped)"
        warn(
            f"surefoot: a listener failed and is ignored from now on where it does so: "
            f"{name}: {type(exc).__name__}: {said}",
            stacklevel=4,
        )

    @property
    def keep_locals(self) -> bool:
        """Whether a failure's record keeps the locals of the user's own frames.

        :raises ConfigError: ``locals`` in ``[incidents]`` is no switch.
        """
        asked = self.config.incidents.get("locals", False)
        if not isinstance(asked, bool):
            raise ConfigError(
                f"{self.config.source}: [incidents] locals = {asked!r} must be true or false"
            )
        return asked

    def scrub_text(self, text: str) -> str:
        """``text`` without its secrets. Never raises: what cannot be scrubbed is dropped."""
        return self._scrubber_at_failure().text(text)

    def scrub(self, value: Any) -> Any:
        """``value`` in the same shape, without the secrets in it. Never raises."""
        return self._scrubber_at_failure().value(value)

    @property
    def scrubber(self) -> Scrubber:
        """What hides secrets: the settings' patterns and names, the values that are known now, and the
        journal's key. It is made anew only when one of these has changed.

        :raises ConfigError: the table ``[scrub]`` is wrong.
        """
        if self._scrubs is None:
            self._scrubs = _Scrubs(_scrub_settings(self.config))
        return self._current(self._scrubs)

    def _scrubber_at_failure(self) -> Scrubber:
        """The same where no error may come: with wrong settings there are none, and one is told so."""
        try:
            return self.scrubber
        except ConfigError as exc:
            if self._spare is None:
                from .scrub import Scrubber

                _tell(f"surefoot: the settings of scrubbing are left out: {exc}")
                self._spare = _Scrubs(Scrubber())
            return self._current(self._spare)

    def _current(self, scrubs: _Scrubs) -> Scrubber:
        now = self.clock.monotonic()
        return scrubs.current(self._mark_key(), now, self._addresses_of_alerts())

    def _mark_key(self) -> bytes:
        """The key of the marks in placeholders: derived from the journal's, where there is one or one
        is being written. Nothing is made just to show something: then it is the process's own."""
        journal = self._journal is not None
        if self._marks is None or (journal and not self._marks[0]):
            self._marks = (journal, self._derived(journal and self._create) or _process_key())
        return self._marks[1]

    def _derived(self, make: bool) -> bytes | None:
        try:
            if isinstance(self.place, str):
                if self._journal is None:
                    return None
                rows = self._journal.store.read("SELECT key FROM surefoot_marks")
                return bytes(rows[0][0]) if rows else None
            path = Path(f"{self.path}.key")
            if not make and (not path.exists() or path.stat().st_size != KEY_BYTES):
                return None
            key = self.pickle_key()
        except (ConfigError, JournalError, OSError):
            return None
        import hashlib
        import hmac

        return hmac.new(key, b"surefoot: marks of hidden secrets", hashlib.sha256).digest()

    def _addresses_of_alerts(self) -> tuple[str, ...]:
        """What only they who are told should know: parts of the addresses of alerts."""
        if not self.config.alerts:
            return ()
        try:
            alerting = self.alerting
        except ConfigError:  # it is told where a run begins
            return ()
        return () if alerting is None else tuple(alerting.secrets)

    def pickle_key(self) -> bytes:
        """The key that signs pickled checkpoints: a file beside the journal, made once. For a journal
        in Postgres it is not kept where others write: SUREFOOT_KEY holds it, in hexadecimal digits."""
        if isinstance(self.place, str):
            try:
                given = bytes.fromhex(os.environ["SUREFOOT_KEY"])
            except (KeyError, ValueError):
                given = b""
            if len(given) < KEY_BYTES:
                raise JournalError(
                    "pickled checkpoints in a Postgres journal need a key that all hosts share: set "
                    f"SUREFOOT_KEY to {2 * KEY_BYTES} hexadecimal digits"
                )
            return given
        path = Path(f"{self.path}.key")
        try:
            if not path.exists() or path.stat().st_size != KEY_BYTES:
                # whole or not at all: a key that was cut off would sign with next to nothing
                aside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
                handle = os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(os.urandom(KEY_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
                if path.exists():
                    os.replace(aside, path)
                else:
                    try:
                        os.link(aside, path)  # the first of several processes wins
                    except FileExistsError:
                        pass
                    os.unlink(aside)
            return path.read_bytes()
        except OSError as exc:
            raise JournalError(f"cannot write the key {path}: {exc.strerror}") from exc

    def stop(self) -> None:
        """Start no new step in any run of this runtime: they end as ``interrupted``."""
        self.stopping = True

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Runtime:
        outer = frame()
        self._tokens.append(
            enter(
                Frame(
                    runtime=self,
                    disabled=outer.disabled if outer is not None else False,
                    child=outer.child if outer is not None else None,
                )
            )
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave(self._tokens.pop())
        if not self._tokens:
            self.close()

    def close(self) -> None:
        """End the processes of isolated steps, write what is queued and close the journal; all of
        it opens anew when it is needed again."""
        self.close_workers()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def close_workers(self) -> None:
        """End the processes of isolated steps; those that work are killed."""
        with self._opening:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()


@functools.lru_cache(maxsize=8)
def _catalog(files: tuple[Path, ...], own: str, careful: bool = False) -> Catalog:
    """:param careful: warn about mistakes in the user's rules, and go on without them."""
    from .catalog import CatalogProblem, load

    wrong: list[CatalogProblem] = []

    brought = brought_rules()
    problems = list(brought.problems)
    catalog = load(
        extra=files,
        extra_rules=json.loads(own) or None,
        brought=brought.files,
        on_problem=wrong.append if careful else None,
        on_brought=lambda problem: problems.append(str(problem)),
    )
    for problem in problems:
        _tell(f"surefoot: rules that a package brings are left out: {problem}")
    for one in wrong:
        _tell(f"surefoot: a rule of yours is left out: {one}")
    return catalog


@functools.lru_cache(maxsize=64)
def _tell(message: str) -> None:
    """Warn once: no rule may break a program's error handling."""
    warn(message, stacklevel=5)


def warn(message: str, *, stacklevel: int) -> None:
    """A warning that breaks nothing, also where the program has warnings raised as errors."""
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
    except RuntimeWarning:
        import logging

        logging.getLogger("surefoot").warning("%s", message)


class _Scrubs:
    """The scrubber of a runtime, made anew when a known value or the key has changed."""

    def __init__(self, base: Scrubber) -> None:
        from .scrub import Watch

        self._base = base
        self._watch: Watch = Watch()
        self._made: Scrubber | None = None
        self._of: tuple[object, bytes, tuple[str, ...]] | None = None

    def current(self, key: bytes, now: float, more: tuple[str, ...] = ()) -> Scrubber:
        """:param more: known values besides those of the process."""
        known = self._watch.current(now, environment=self._base.environment)
        same = self._of is not None and self._of[0] is known and self._of[1:] == (key, more)
        if self._made is None or not same:
            self._made = dataclasses.replace(self._base, known=(*known, *more), key=key)
            self._of = (known, key, more)
        return self._made


def _scrub_settings(config: Config) -> Scrubber:
    from .scrub import scrubber_from

    try:
        return scrubber_from(config.scrub)
    except ValueError as exc:
        raise ConfigError(f"{config.source or 'Config(scrub=…)'}: [scrub] {exc}") from exc


@functools.cache
def _process_key() -> bytes:
    """A key that nobody keeps: marks are the same within this process."""
    return os.urandom(KEY_BYTES)


def current_runtime() -> Runtime | None:
    """The runtime of the enclosing ``with Runtime(…)`` or run."""
    here = frame()
    return here.runtime if here is not None else None


def classify(exc: BaseException, *, stage: Stage | None = None) -> Classification:
    """What a failure is, without doing anything about it.

    :param stage: where it happened, e.g. ``"inference"``: the same JSON error is the data's fault at
        ingestion and the model's after it.
    :returns: kind, category, recoverable, retryable, the wait asked for, the rule and its evidence.

    >>> classify(ConnectionRefusedError(111, "Connection refused")).kind
    'connection'
    """
    from .classify import classify as judge

    runtime = current_runtime() or Runtime()
    return judge(exc, catalog=runtime.catalog_at_failure, stage=stage, now=runtime.clock.now())


def scrub(value: Any) -> Any:
    """``value`` without the secrets in it: text, or nested data of it.

    >>> scrub({"password": "hunter2", "model": "small"})["model"]
    'small'
    """
    return (current_runtime() or _without_settings_that_are_wrong()).scrub(value)


def _without_settings_that_are_wrong() -> Runtime:
    try:
        return Runtime(create=False)
    except ConfigError as exc:
        _tell(f"surefoot: the settings are left out: {exc}")
        return Runtime(create=False, config=Config())


def hide(value: Any) -> None:
    """Hold ``value`` for a secret from now on: it is hidden wherever this process writes or shows
    something, in every runtime, however it is written there (escaped, URL-encoded).

    For what no name and no format tells: a password that was typed in, a token that a vault gave.

    :param value: a text, bytes or a ``SecretStr``, of six characters or more.
    :raises InputError: it is shorter, or none of these.

    >>> hide("correct horse battery")
    >>> "horse" in scrub("the phrase was: correct horse battery")
    False
    """
    from .scrub import hide as hide_

    try:
        hide_(value)
    except (TypeError, ValueError) as exc:
        raise InputError(f"hide(): {exc}") from None
