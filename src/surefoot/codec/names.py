"""Classes by name: how a checkpoint names a class, and how that name is found again.

A name is ``module:qualname``. It is looked up first among the classes that the annotation reaches,
so that a class defined inside a function, in a notebook or in ``__main__`` is found without an
import. What is found counts only if it is a class that a checkpoint can hold (a *record*);
nothing else is ever called or made.
"""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

__all__ = ["Names", "class_in", "hints", "import_class", "record_kind"]


def record_kind(cls: type) -> str | None:
    """What ``cls`` is, if a checkpoint can hold its instances by their fields; else None.

    >>> import decimal, enum
    >>> record_kind(enum.IntFlag), record_kind(dict), record_kind(decimal.DecimalTuple)
    ('enum', None, 'namedtuple')
    """
    if issubclass(cls, Enum):
        return "enum"
    for base in cls.__mro__:
        # By name, so that nobody who uses no pydantic has to import it.
        if base.__module__ == "pydantic.main" and base.__qualname__ == "BaseModel":
            return "pydantic"
        if base.__module__ == "msgspec" and base.__qualname__ == "Struct":
            return "msgspec"
    if issubclass(cls, tuple):
        return "namedtuple" if isinstance(getattr(cls, "_fields", None), tuple) else None
    if isinstance(getattr(cls, "__dataclass_fields__", None), dict):
        return "dataclass"
    if isinstance(getattr(cls, "__attrs_attrs__", None), tuple):
        return "attrs"
    return None


def hints(fn: Any) -> dict[str, Any]:
    """The resolved annotations of a function or class; those that cannot be resolved are left out.

    Names of an enclosing function's variables count too, since a class that is defined beside a
    step in a function or a test is otherwise unknown to :func:`typing.get_type_hints`.

    >>> def load(path: "int", other: "Unheard") -> "list[str]": ...
    >>> hints(load)
    {'path': <class 'int'>, 'return': list[str]}
    """
    raw = getattr(fn, "__annotations__", None)
    if not raw and not isinstance(fn, type):
        return {}
    local = _closure(fn)
    try:
        return typing.get_type_hints(fn, localns=local or None, include_extras=True)
    except Exception:  # one bad name fails them all: take them one by one
        pass
    found: dict[str, Any] = {}
    for name, annotation in (raw or {}).items():
        holder = type("_Holder", (), {"__annotations__": {name: annotation}})
        try:
            found.update(
                typing.get_type_hints(
                    holder,
                    globalns=getattr(fn, "__globals__", None)
                    or vars(sys.modules.get(fn.__module__, typing)),
                    localns=local,
                    include_extras=True,
                )
            )
        except Exception:  # a forward reference to nothing: as if it were not annotated
            continue
    return found


def _closure(fn: Any) -> dict[str, Any]:
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None)
    if code is None or not cells:
        return {}
    found = {}
    for name, cell in zip(code.co_freevars, cells):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def import_class(name: str) -> type | None:
    """The class of that ``module:qualname``, imported if need be, or None.

    >>> import_class("decimal:Decimal"), import_class("decimal:getcontext"), import_class("no:No")
    (<class 'decimal.Decimal'>, None, None)
    """
    module_name, _, qualname = name.partition(":")
    module = sys.modules.get(module_name)
    if module is None:
        try:
            module = importlib.import_module(module_name)
        except Exception:  # not there any more, or fails at import: the caller says what follows
            return None
    return class_in(vars(module), qualname)


def class_in(namespace: Mapping[str, Any], qualname: str) -> type | None:
    """The class that a (dotted) name stands for in ``namespace``, or None."""
    # Through the dictionaries of modules and classes only: no `__getattr__` of anybody runs.
    found = None
    for part in qualname.split("."):
        found = namespace.get(part)
        if not isinstance(found, type):
            return None
        namespace = vars(found)
    return found


class Names:
    """Both directions between classes and names, for one annotation.

    ``annotation`` is a type or, to resolve it only when it is needed, a function that returns one.
    ``namespace`` holds the globals of the step's module: classes of a program that ran as
    ``__main__`` are found there when it is resumed under another name.
    """

    def __init__(
        self,
        annotation: Any = None,
        *,
        lazily: Callable[[], Any] | None = None,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self._annotation = annotation
        self._lazily = lazily
        self._namespace = namespace or {}
        self._reached: dict[str, type] | None = None
        self._found: dict[str, type] = {}

    def of(self, cls: type) -> str | None:
        """The name under which ``cls`` will be found again, or None if it will not be."""
        name = f"{cls.__module__}:{cls.__qualname__}"
        if self.reached().get(name) is cls or import_class(name) is cls:
            return name
        return None

    def find(self, name: str) -> type | None:
        """The record class of that name, or None."""
        cls = self._found.get(name)
        if cls is None:
            cls = self._search(name)
            if cls is None or record_kind(cls) is None:
                return None
            self._found[name] = cls
        return cls

    def _search(self, name: str) -> type | None:
        reached = self.reached()
        cls = reached.get(name)
        if cls is None:
            cls = import_class(name)
        if cls is None:
            # The module has another name now (`__main__`, a moved file): one class of the same
            # qualified name that the annotation or the step's module knows is meant.
            qualname = name.partition(":")[2]
            same = {c for known, c in reached.items() if known.partition(":")[2] == qualname}
            cls = same.pop() if len(same) == 1 else class_in(self._namespace, qualname)
        return cls

    def reached(self) -> dict[str, type]:
        """Every record class that the annotation leads to, by name."""
        if self._reached is None:
            if self._lazily is not None:
                self._annotation = self._lazily()
            reached: dict[str, type] = {}
            _reach(self._annotation, reached, {})
            self._reached = reached
        return self._reached


def _reach(annotation: Any, reached: dict[str, type], seen: dict[int, Any]) -> None:
    if annotation is None or id(annotation) in seen:
        return
    seen[id(annotation)] = annotation  # kept, so that its id is not given to another one
    if isinstance(annotation, typing.TypeVar):
        _reach(annotation.__bound__, reached, seen)
        return
    if isinstance(annotation, (list, tuple)):  # the arguments of Callable, a Literal's values
        for part in annotation:
            _reach(part, reached, seen)
        return
    arguments = typing.get_args(annotation)
    if arguments:
        for argument in (*arguments, typing.get_origin(annotation)):
            _reach(argument, reached, seen)
        return
    annotation = getattr(annotation, "__supertype__", annotation)  # NewType
    if not isinstance(annotation, type):
        return
    kind = record_kind(annotation)
    if kind is not None:
        reached[f"{annotation.__module__}:{annotation.__qualname__}"] = annotation
    if annotation.__module__ == "builtins" or kind == "enum":
        return
    if kind == "pydantic":  # its own hints do not know what a `Page[Item]` was made with
        for field in annotation.model_fields.values():  # type: ignore[attr-defined]
            _reach(field.annotation, reached, seen)
    elif kind is not None or hasattr(annotation, "__total__"):  # a TypedDict leads on, too
        for hint in hints(annotation).values():
            _reach(hint, reached, seen)
