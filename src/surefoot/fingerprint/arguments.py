"""Which call of a step this is: the digest of its arguments.

The digest is taken over the arguments as the caller gave them, before the body runs. Given by
position or by name is the same, and an argument equal to its default is as if it were not given.
Binding is done here over tables made once, since :func:`inspect.signature` takes longer to bind than
a whole step may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

from surefoot.errors import DefinitionError, UnsavableError

from .values import Unreadable, Values

__all__ = ["ArgumentDigester", "Digest"]

_TOTAL = 16  # bytes of the digest of a call
_PART = 6  # bytes of the digest of one argument
_KEPT = 256  # bytes of one argument beyond which only a hash of it goes on
_NOTHING = object()


class Digest:
    """The identity of one call's arguments.

    ``total`` is 32 hexadecimal digits; ``bound`` the arguments by name, as given, without
    defaults; ``parts`` a digest for each argument that counts, so that drift can name one.
    """

    __slots__ = ("_chunks", "bound", "total")

    def __init__(self, total: str, bound: dict[str, Any], chunks: list[tuple[str, bytes]]) -> None:
        self.total = total
        self.bound = bound
        self._chunks = chunks

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(name, 12 hexadecimal digits) for each argument that is not at its default, by name."""
        return tuple(
            (name, blake2b(chunk, digest_size=_PART).hexdigest()) for name, chunk in self._chunks
        )

    def __repr__(self) -> str:
        return f"Digest({self.total!r}, {', '.join(name for name, _ in self._chunks)})"


class ArgumentDigester:
    """Made once for a step, called for each of its calls.

    ``ignore`` names arguments that do not count. Raises DefinitionError for one that the function
    does not have.

    >>> def answer(prompt, *, temperature=0.0, client=None): ...
    >>> digester = ArgumentDigester(answer, ignore=("client",))
    >>> one = digester.digest(("hello",), {})
    >>> one.total == digester.digest((), {"prompt": "hello", "temperature": 0.0}).total
    True
    >>> one.parts
    (('prompt', 'cb7d5cdf0cd6'),)
    >>> digester.digest((iter([]),), {})
    Traceback (most recent call last):
    surefoot.errors.UnsavableError: answer(): the argument 'prompt' is a list_iterator, ...
    """

    def __init__(self, fn: Callable[..., Any], ignore: Iterable[str] = ()) -> None:
        self._fn = fn
        self._name = getattr(fn, "__qualname__", type(fn).__qualname__)
        self._positional: tuple[str, ...]
        self._only: tuple[str, ...]  # of those, the ones that cannot be given by name
        self._by_name: frozenset[str]
        self._required: tuple[str, ...]
        self._rest: str | None  # *args
        self._more: str | None  # **kwargs
        self._defaults: dict[str, Any]
        inner = fn
        while not hasattr(inner, "__signature__") and hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        code = getattr(inner, "__code__", None)
        if code is None or hasattr(inner, "__signature__") or hasattr(inner, "__func__"):
            self._from_signature(inner)
        else:
            self._from_code(inner, code)
        # Names that a keyword for **kwargs may have as well: it is called `**name` then.
        self._taken = frozenset(self._only) | ({self._rest} if self._rest else set())
        self._ignored = self._checked(ignore)
        self._values = Values()
        self._default_chunks: dict[str, bytes | None] = {}

    def _from_code(self, fn: Any, code: Any) -> None:
        count, only_by_name = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        positional: tuple[str, ...] = names[:count]
        keywords: tuple[str, ...] = names[count : count + only_by_name]
        at = count + only_by_name
        self._rest = self._more = None
        if code.co_flags & 0x04:  # CO_VARARGS
            self._rest = names[at]
            at += 1
        if code.co_flags & 0x08:  # CO_VARKEYWORDS
            self._more = names[at]
        defaults = fn.__defaults__ or ()
        self._defaults = dict(zip(positional[count - len(defaults) :], defaults))
        self._defaults.update(fn.__kwdefaults__ or {})
        self._positional = positional
        self._only = positional[: code.co_posonlyargcount]
        self._set_names(positional[code.co_posonlyargcount :] + keywords)

    def _from_signature(self, fn: Any) -> None:
        import inspect  # only for what is no plain function: classes, partials, bound methods

        try:
            parameters = list(inspect.signature(fn).parameters.values())
        except (TypeError, ValueError):  # some functions of C tell nothing
            parameters = [
                inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
            ]
        of: dict[Any, tuple[str, ...]] = {
            kind: tuple(p.name for p in parameters if p.kind is kind)
            for kind in type(parameters[0].kind if parameters else inspect.Parameter.VAR_KEYWORD)
        }
        self._only = of[inspect.Parameter.POSITIONAL_ONLY]
        self._positional = self._only + of[inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._rest = next(iter(of[inspect.Parameter.VAR_POSITIONAL]), None)
        self._more = next(iter(of[inspect.Parameter.VAR_KEYWORD]), None)
        self._defaults = {
            p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty
        }
        self._set_names(
            of[inspect.Parameter.POSITIONAL_OR_KEYWORD] + of[inspect.Parameter.KEYWORD_ONLY]
        )

    def _set_names(self, by_name: tuple[str, ...]) -> None:
        self._by_name = frozenset(by_name)
        self._required = tuple(
            name for name in dict.fromkeys(self._only + by_name) if name not in self._defaults
        )

    def _checked(self, ignore: Iterable[str]) -> frozenset[str]:
        ignored = frozenset((ignore,) if isinstance(ignore, str) else ignore)
        known = self.names
        for name in sorted(ignored):
            if name not in known and self._more is None:
                import difflib  # only a mistake needs it

                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
                raise DefinitionError(
                    f"{self._name}(): ignore names {name!r}, which is no argument of it; {hint}"
                )
        return ignored

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all arguments, those of ``*args`` and ``**kwargs`` last."""
        by_name = sorted(self._by_name.difference(self._positional))
        return (*self._positional, *by_name, *filter(None, (self._rest, self._more)))

    @property
    def takes_more(self) -> bool:
        """Whether the function has ``**kwargs``."""
        return self._more is not None

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The default values by name."""
        return self._defaults

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, as given. What ``*args`` took is a tuple under that name; what
        ``**kwargs`` took stands under its own names. Raises Python's TypeError."""
        positional = self._positional
        bound = dict(zip(positional, args))
        if len(args) > len(positional):
            if self._rest is None:
                raise self._wrong(args, kwargs)
            bound[self._rest] = args[len(positional) :]
        for name, value in kwargs.items():
            if name in self._by_name:
                if name in bound:
                    raise self._wrong(args, kwargs)
                bound[name] = value
            elif self._more is None:
                raise self._wrong(args, kwargs)
            else:
                bound[f"**{name}" if name in self._taken else name] = value
        for name in self._required:
            if name not in bound:
                raise self._wrong(args, kwargs)
        return bound

    def unbind(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments to call with: by position as far as they go, for a function that has other
        names for them; the others by name.

        >>> def pay(order, cents=0, *, note=""): ...
        >>> ArgumentDigester(pay).unbind({"order": 7, "note": "gift"})
        ((7,), {'note': 'gift'})
        """
        left = dict(bound)
        args: list[Any] = []
        for name in self._positional:
            if name not in left:
                break  # its default was used: what comes after it goes by name
            args.append(left.pop(name))
        if self._rest is not None:
            args.extend(left.pop(self._rest, ()))
        return tuple(args), {name.removeprefix("**"): value for name, value in left.items()}

    def _wrong(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> TypeError:
        import inspect

        said = "got arguments that it does not take"
        try:
            inspect.signature(self._fn).bind(*args, **kwargs)
        except TypeError as exc:
            said = str(exc)
        return TypeError(f"{self._name}() {said}")

    def call_args(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The way back from :meth:`bind`: ``fn(*args, **kwargs)`` with these values.

        >>> def fetch(url, /, *rest, timeout=3, **more): ...
        >>> digester = ArgumentDigester(fetch)
        >>> bound = digester.bind(("a", 1, 2), {"timeout": 5, "proxy": "p"})
        >>> digester.call_args(bound | {"timeout": 9})
        (('a', 1, 2), {'timeout': 9, 'proxy': 'p'})
        """
        rest = bound.get(self._rest, ()) if self._rest else ()
        count = 0
        for index, name in enumerate(self._positional):
            # As many by position as can be, and those that have to be, over gaps too.
            if name in bound and (index < len(self._only) or index == count):
                count = index + 1
        first = self._positional if rest else self._positional[:count]
        args = tuple(bound[name] if name in bound else self._defaults[name] for name in first)
        kwargs = {
            name.lstrip("*"): value
            for name, value in bound.items()
            if name not in first and name != self._rest
        }
        return args + tuple(rest), kwargs

    def digest(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Digest:
        """The digest of a call. Raises TypeError for arguments that the function does not take,
        and UnsavableError, naming the argument, for one that cannot be read."""
        bound = self.bind(args, kwargs)
        chunks: list[tuple[str, bytes]] = []
        data = []
        for name in sorted(bound) if len(bound) > 1 else bound:
            if name in self._ignored:
                continue
            value = bound[name]
            default = self._defaults.get(name, _NOTHING)
            if value is default:
                continue
            chunk = self._read(name, value)
            if default is not _NOTHING and chunk == self._default_chunk(name, default):
                continue
            if len(chunk) > _KEPT:
                chunk = b"#" + blake2b(chunk, digest_size=_TOTAL).digest()
            chunks.append((name, chunk))
            data.append(b"%b=%b" % (name.encode(), chunk))
        return Digest(blake2b(b"".join(data), digest_size=_TOTAL).hexdigest(), bound, chunks)

    def _read(self, name: str, value: Any) -> bytes:
        try:
            return self._values.read(value)
        except Unreadable as exc:
            what = f"{exc.path} {exc.why}" if exc.path else f" {exc.why}"
        except RecursionError:
            what = " is nested too deeply"
        name = name.lstrip("*")
        raise UnsavableError(
            f"{self._name}(): the argument {name!r}{what}, so this call could not be told from "
            "another one on a resume. Pass plain data instead (a list for a generator, a path for "
            f'an open file), or leave it out of the identity: ignore=("{name}",)'
        )

    def _default_chunk(self, name: str, default: Any) -> bytes | None:
        if name not in self._default_chunks:
            try:
                self._default_chunks[name] = self._values.read(default)
            except (Unreadable, RecursionError):
                self._default_chunks[name] = None  # only the very same object is equal to it
        return self._default_chunks[name]
