"""Exceptions to records and back: a replayed failure that the same ``except`` catches.

No ``__init__`` of anybody runs when an exception is made again: many take other arguments than
they leave in ``args``, and some do work. It gets its class, its ``args``, its simple attributes, its
notes and its chain; what was not simple (a response, a socket) is gone. ``str()`` gives the same
text: where the class would say something else now, it is a subclass that remembers the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

from surefoot.errors import ReplayedFailure

from .names import Names, class_in, import_class
from .reading import Reader
from .records import static
from .refusal import Refused
from .writing import HEAP_TYPE, Writer

__all__ = ["restore_exception", "save_exception"]

CHAIN = 8
"""How far causes and contexts are followed, and how deep groups."""

FRAMES = 60
"""Frames of a traceback that are kept: half from its start, half from its end."""

LARGEST = 64 * 1024
"""Characters of JSON that one attribute may take; a larger one is left out, as an answer that
could not be parsed or a whole file that could not be decoded."""

_GROUPS = frozenset({"builtins:BaseExceptionGroup", "exceptiongroup:BaseExceptionGroup"})

# What exceptions of C keep outside their `__dict__`, by the class that has it.
_MEMBERS: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (OSError, ("errno", "strerror", "filename", "filename2")),
    (UnicodeError, ("encoding", "object", "start", "end", "reason")),
    (SyntaxError, ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset")),
    (ImportError, ("msg", "name", "path")),
    (NameError, ("name",)),
    (AttributeError, ("name",)),
    (StopIteration, ("value",)),
    (SystemExit, ("code",)),
)


def save_exception(exc: BaseException) -> dict[str, Any]:
    """All of ``exc`` that JSON holds. The record is raw: scrub what is shown of it.

    ``type`` and ``mro`` are ``module:qualname``; ``frames`` are (file, line, function), the
    innermost last.

    >>> record = save_exception(KeyError("price"))
    >>> record["type"], record["message"], record["args"]
    ('builtins:KeyError', "'price'", ['price'])
    """
    return _save(exc, CHAIN, set())


def _save(exc: BaseException, depth: int, seen: set[int]) -> dict[str, Any]:
    seen.add(id(exc))
    cls = type(exc)
    record: dict[str, Any] = {
        "type": _name(cls),
        "mro": [_name(base) for base in cls.__mro__ if base is not object],
        "message": _text(exc),
        "args": _tree(list(exc.args)),
        "attrs": _attributes(exc),
        "notes": [note for note in getattr(exc, "__notes__", ()) if isinstance(note, str)],
        "frames": _frames(exc),
    }
    if cls.__qualname__ == "ValidationError" and cls.__module__.startswith("pydantic_core"):
        from . import lib_pydantic

        record["pydantic"] = lib_pydantic.save_error(exc, _tree)
    if depth > 0:
        for key, other in (("cause", exc.__cause__), ("context", exc.__context__)):
            if other is not None and id(other) not in seen:
                record[key] = _save(other, depth - 1, seen)
        if not _GROUPS.isdisjoint(record["mro"]):
            record["title"] = exc.message  # type: ignore[attr-defined]
            record["group"] = [_save(one, depth - 1, seen) for one in exc.exceptions]  # type: ignore[attr-defined]
    if exc.__suppress_context__:
        record["quiet"] = True
    return record


def _name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except (
        BaseException
    ) as broken:  # an exception's own __str__ may fail, or try to end the program
        return f"<{type(exc).__qualname__} without a text: its __str__ raised {broken!r}>"


def _tree(value: Any) -> Any:
    """``value`` as JSON that says what it was, or None if that cannot be, or is too large."""
    writer = Writer(Names(), {})
    try:
        tree = writer.tree(value)
        if writer.blobs or len(json.dumps(tree)) > LARGEST:
            return None
    except (Refused, RecursionError, ValueError):
        return None
    return tree


def _attributes(exc: BaseException) -> dict[str, Any]:
    found = dict(vars(exc))
    found.pop("__notes__", None)
    for name in _members(type(exc)):
        value = getattr(exc, name, None)
        if value is not None:
            found[name] = value
    saved = {}
    for name, value in found.items():
        tree = _tree([value])
        if tree is not None:
            saved[name] = tree[0]
    return saved


def _members(cls: type) -> list[str]:
    """Names of what is kept outside of ``__dict__``: by classes of C, and in slots."""
    names = [name for base, own in _MEMBERS if issubclass(cls, base) for name in own]
    for base in cls.__mro__:
        names += [n for n, slot in vars(base).items() if isinstance(slot, MemberDescriptorType)]
    return [name for name in names if not name.startswith("__")]


def _frames(exc: BaseException) -> list[list[Any]]:
    frames: list[list[Any]] = []
    traceback = exc.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = getattr(code, "co_qualname", code.co_name)  # co_qualname: from 3.11
        frames.append([code.co_filename, traceback.tb_lineno, name])
        traceback = traceback.tb_next
    if len(frames) > FRAMES:
        return frames[: FRAMES // 2] + frames[-FRAMES // 2 :]
    return frames


# --- back -----------------------------------------------------------------------------------------


def restore_exception(
    record: Mapping[str, Any], *, namespace: Mapping[str, Any] | None = None
) -> BaseException:
    """The exception that ``record`` tells of, to be raised again.

    ``namespace`` is the globals of the workflow's module, where classes are looked for that were
    recorded under another module's name (``__main__``).

    A class that cannot be found is replaced by its nearest bases that can be, and a note says so;
    if only Exception is left, by :class:`surefoot.errors.ReplayedFailure`.

    >>> restore_exception(save_exception(FileNotFoundError(2, "No such file", "a.txt")))
    FileNotFoundError(2, 'No such file')
    >>> str(_)
    "[Errno 2] No such file: 'a.txt'"
    """
    exc = _made(record, namespace or {})
    if record.get("notes"):
        _put(exc, "__notes__", [*record["notes"], *getattr(exc, "__notes__", ())])
    for key in ("context", "cause"):
        if key in record:
            _put(exc, f"__{key}__", restore_exception(record[key], namespace=namespace))
    _put(exc, "__suppress_context__", record.get("quiet", False))
    return exc


def _made(record: Mapping[str, Any], namespace: Mapping[str, Any]) -> BaseException:
    found = [_find(name, namespace) for name in record["mro"]]
    exact = found[0]
    known = [cls for cls in found[1:] if cls is not None]
    # The nearest bases: those that no other one of them inherits from.
    nearest = tuple(
        cls for cls in known if not any(issubclass(other, cls) for other in known if other != cls)
    )
    choices: list[tuple[type[BaseException], ...]] = [(exact,)] if exact is not None else []
    if nearest and nearest not in ((Exception,), (BaseException,)):
        choices += [nearest, *((cls,) for cls in nearest)]
    choices.append((ReplayedFailure,) if Exception in known else (BaseException,))
    exc = _first_that_works(choices, record, namespace)
    if exact is None or not isinstance(exc, exact):
        note = f"replayed: it was a {_dotted(record)}, which is defined inside a function, or gone"
        _put(exc, "__notes__", [note])
    return exc


def _dotted(record: Mapping[str, Any]) -> str:
    return str(record["type"]).replace(":", ".")


def _find(name: str, namespace: Mapping[str, Any]) -> type[BaseException] | None:
    cls = import_class(name) or class_in(namespace, name.partition(":")[2])
    return cls if cls is not None and issubclass(cls, BaseException) else None


def _first_that_works(
    choices: list[tuple[type[BaseException], ...]],
    record: Mapping[str, Any],
    namespace: Mapping[str, Any],
) -> BaseException:
    *better, last = choices
    for bases in better:
        try:
            return _instance(bases, record, namespace)
        except Exception:  # final classes, strange metaclasses, other layouts: the next one
            continue
    return _instance(last, record, namespace)


def _instance(
    bases: tuple[type[BaseException], ...],
    record: Mapping[str, Any],
    namespace: Mapping[str, Any],
) -> BaseException:
    if "pydantic" in record and bases[0].__qualname__ == "ValidationError":
        from . import lib_pydantic

        exc: BaseException = lib_pydantic.restore_error(record["pydantic"], _reader(namespace))
        return exc
    text = record["message"]
    if bases == (ReplayedFailure,):
        text = f"{_dotted(record)}: {text}"
    if len(bases) == 1:
        exc = _filled(bases[0], record, text, namespace)
        if _text(exc) == text:
            return exc
    name = record["type"].partition(":")[2].rpartition(".")[2]
    module, _, qualname = record["type"].partition(":")
    metaclass: Any = type(bases[0])
    stand_in = metaclass(
        name,
        bases,
        {"__str__": lambda _: text, "__module__": module, "__qualname__": qualname},
    )
    return _filled(stand_in, record, text, namespace)


def _filled(
    cls: type[BaseException], record: Mapping[str, Any], text: str, namespace: Mapping[str, Any]
) -> BaseException:
    read = _reader(namespace)
    args = read(record["args"]) if record["args"] is not None else None
    if not isinstance(args, list) or cls is ReplayedFailure:
        args = [text]
    # The class of C that gives its instances their layout makes it, past everybody's own `__new__`.
    maker: Any = cls
    while maker.__flags__ & HEAP_TYPE:
        maker = maker.__base__
    exc: BaseException
    if "group" in record and hasattr(cls, "derive"):
        members = [restore_exception(member, namespace=namespace) for member in record["group"]]
        exc = maker.__new__(cls, record["title"], members)
        if not hasattr(exc, "exceptions"):  # the backport for Python 3.10
            vars(exc).update(_message=record["title"], _exceptions=tuple(members))
        return exc
    exc = maker.__new__(cls, *args)
    _put(exc, "args", tuple(args))
    for name, tree in record["attrs"].items():
        value = read(tree)
        if value is not None or tree is None:
            _set(exc, name, value)
    return exc


_put = BaseException.__setattr__  # some classes have one of their own, which forbids it


def _set(exc: BaseException, name: str, value: Any) -> None:
    slot = static(type(exc), name)
    if isinstance(slot, (MemberDescriptorType, GetSetDescriptorType)):
        slot.__set__(exc, value)
    else:  # into the dictionary: no `__setattr__` and no property of anybody runs
        vars(exc)[name] = value


def _reader(namespace: Mapping[str, Any]) -> Callable[[Any], Any]:
    reader = Reader(Names(namespace=namespace), {}, [])

    def read(tree: Any) -> Any:
        try:
            return reader.read(json.dumps(tree))
        except Exception:  # an attribute of a class that is gone: the exception does without it
            return None

    return read
