"""The codec: one for each step, made once, used for each checkpoint of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import import_module
from typing import Any, NamedTuple

from surefoot.errors import CheckpointDamaged, UnsavableError

from . import pickled
from .names import Names, hints
from .reading import Maker, Reader, scan, scanner
from .refusal import Refused, damaged, unsavable
from .writing import Plan, Writer, library_of

__all__ = ["Codec", "Encoded", "decode", "digest", "encode"]

_SCALARS = frozenset({str, bool, int, float, type(None)})

_SCAN = scanner()


def _encoder() -> Callable[[Any], str]:
    # Without ASCII escapes, because a pair of lone surrogates would come back from them as one
    # character. Without NaN, which is no JSON: the ValueError sends it to the Writer.
    slow = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    quote = getattr(json.encoder, "encode_basestring", None)
    if make is None or quote is None:
        return slow.encode
    # What `slow.encode` makes anew for every value, which is most of its time.
    fast = make(None, slow.default, quote, None, ":", ",", False, False, False)
    join = "".join
    return lambda value: join(fast(value, 0))


_JSON = _encoder()

_WHOLE: Mapping[str, str] = {
    "npy": "lib_numpy",
    "arrow+pandas": "lib_pandas",
    "arrow+polars": "lib_polars",
    "arrow": "lib_arrow",
    "safetensors": "lib_torch",
}
"""Formats of whole checkpoints that other tools can open as they are."""


class Encoded(NamedTuple):
    """A checkpoint's bytes, and the name of their format, which goes with them."""

    format: str
    data: bytes


class Codec:
    """Saves the results of one step, and gives them back as what they were.

    ``annotation`` is what the step returns; classes are found through it first. ``namespace`` is
    the globals of the step's module. ``allow_pickle`` lets a value that no format fits be pickled,
    signed with ``pickle_key``. ``where`` and ``root`` are for messages.

    >>> codec = Codec(where="step load")
    >>> codec.encode({"path": "a.txt", "size": 3})
    Encoded(format='json', data=b'{"path":"a.txt","size":3}')
    >>> codec.decode(*codec.encode({1: (2, 3)}))
    {1: (2, 3)}
    >>> codec.encode([1, object()])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    surefoot.errors.UnsavableError: step load: result[1] is a object, which cannot be saved ...
    """

    __slots__ = ("_allow_pickle", "_makers", "_names", "_pickle_key", "_plans", "root", "where")

    def __init__(
        self,
        annotation: Any = None,
        *,
        lazily: Callable[[], Any] | None = None,
        namespace: Mapping[str, Any] | None = None,
        allow_pickle: bool = False,
        pickle_key: bytes | None = None,
        where: str = "this step",
        root: str = "result",
    ) -> None:
        self._names = Names(annotation, lazily=lazily, namespace=namespace)
        self._plans: dict[type, Plan] = {}
        self._makers: dict[str, Maker] = {}
        self._allow_pickle = allow_pickle
        self._pickle_key = pickle_key
        self.where = where
        self.root = root

    @classmethod
    def of(
        cls,
        fn: Any,
        *,
        allow_pickle: bool = False,
        pickle_key: bytes | None = None,
        where: str | None = None,
    ) -> Codec:
        """The codec for what ``fn`` returns. Its annotation is resolved when it is first needed."""
        while hasattr(fn, "__wrapped__"):  # a decorator's wrapper has another module's globals
            fn = fn.__wrapped__
        return cls(
            lazily=lambda: hints(fn).get("return"),
            namespace=getattr(fn, "__globals__", None),
            allow_pickle=allow_pickle,
            pickle_key=pickle_key,
            where=where or f"step {getattr(fn, '__qualname__', fn)}",
        )

    def encode(self, value: Any) -> Encoded:
        """``value`` as bytes. Raises UnsavableError if it would not come back as what it is."""
        try:
            if type(value) in _SCALARS or _plain(value):
                return Encoded("json", _dump(value))
        except (ValueError, RecursionError):
            pass  # nan, an integer of thousands of digits, a cycle: the Writer knows what to do
        try:
            return self._encode(value)
        except Refused as refused:
            if not self._allow_pickle:
                raise unsavable(refused, self.where, self.root) from None
        if self._pickle_key is None:
            raise UnsavableError(
                f"{self.where}: a checkpoint is only pickled with a key to sign it; set one, so "
                "that nobody else's pickle is ever loaded"
            )
        try:
            return Encoded("pickle", pickled.dump(value, self._pickle_key))
        except Refused as refused:
            raise unsavable(refused, self.where, self.root) from refused.__cause__

    def _encode(self, value: Any) -> Encoded:
        kind = type(value)
        if kind is bytes:
            return Encoded("bytes", value)
        library = library_of(type(next(iter(value.values()), None)) if kind is dict else kind)
        if library is not None:
            whole = library.whole(value)
            if whole is not None:
                return Encoded(*whole)
        writer = Writer(self._names, self._plans)
        try:
            tree = writer.tree(value)
            if not writer.blobs:
                return Encoded("json", _dump(tree))
            head = _dump([tree, [len(blob) for blob in writer.blobs]])
        except RecursionError:
            raise Refused(
                "contains itself, or is nested too deeply; a checkpoint has to be a tree"
            ) from None
        return Encoded("parts", b"".join([len(head).to_bytes(8, "little"), head, *writer.blobs]))

    def decode(self, format: str, data: bytes) -> Any:
        """The value back. Raises CheckpointDamaged if the bytes do not give one."""
        try:
            if format == "json":
                text = str(data, "utf-8", "surrogatepass")
                # Within a JSON string a quotation mark is escaped: only a key looks like this.
                if '"$":' not in text:
                    return scan(_SCAN, text)
                return Reader(self._names, self._makers, []).read(text)
            return self._decode(format, data)
        except CheckpointDamaged:
            raise
        except Exception as exc:
            raise damaged(f"{type(exc).__name__}: {exc}") from exc

    def _decode(self, format: str, data: bytes) -> Any:
        if format == "bytes":
            return bytes(data)
        if format == "parts":
            return self._parts(data)
        if format == "pickle":
            if self._pickle_key is None:
                raise damaged("it is a pickle, and there is no key to check its signature with")
            return pickled.load(data, self._pickle_key)
        library = _WHOLE.get(format)
        if library is None:
            raise damaged(f"this version of Surefoot does not know its format {format!r}")
        return import_module(f"surefoot.codec.{library}").read(data)

    def _parts(self, data: bytes) -> Any:
        start = 8 + int.from_bytes(data[:8], "little")
        head = str(data[8:start], "utf-8", "surrogatepass")
        parts = []
        for size in scan(_SCAN, head)[1]:
            parts.append(bytes(data[start : start + size]))
            start += size
        return Reader(self._names, self._makers, parts).read(head)[0]


def _dump(tree: Any) -> bytes:
    return _JSON(tree).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> bool:
    """Whether plain JSON gives ``value`` back as it is, as far as types tell."""
    kind = type(value)
    if kind is dict:
        if "$" in value:
            return False
        for key in value:
            if type(key) is not str:
                return False
        parts = value.values()
    elif kind is list:
        parts = value
    else:
        return False
    for part in parts:
        if type(part) not in _SCALARS and not _plain(part):
            return False
    return True


def encode(
    value: Any,
    annotation: Any = None,
    *,
    allow_pickle: bool = False,
    pickle_key: bytes | None = None,
    where: str = "this step",
) -> Encoded:
    """A value as bytes, once. A step keeps a :class:`Codec`, which remembers what it learned.

    >>> encode({"a", "b"} - {"b"})
    Encoded(format='json', data=b'{"$":"set","v":["a"]}')
    """
    return Codec(annotation, allow_pickle=allow_pickle, pickle_key=pickle_key, where=where).encode(
        value
    )


def decode(
    format: str, data: bytes, annotation: Any = None, *, pickle_key: bytes | None = None
) -> Any:
    """The value back from what :func:`encode` gave.

    >>> decode("json", b'{"$":"set","v":["a"]}')
    {'a'}
    """
    return Codec(annotation, pickle_key=pickle_key).decode(format, data)


def digest(data: bytes) -> str:
    """The SHA-256 of a checkpoint's bytes, in hexadecimal.

    >>> digest(b"")[:16]
    'e3b0c44298fc1c14'
    """
    return sha256(data).hexdigest()
