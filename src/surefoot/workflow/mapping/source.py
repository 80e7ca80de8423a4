"""The syntax tree of a function that is loaded already, and what its names are looked up in."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

__all__ = [
    "AnyFunction",
    "FunctionNode",
    "SourceFiles",
    "cells_of",
    "functions_of",
    "loads_of",
    "module_of",
    "owner_of",
    "static",
]

AnyFunction = FunctionType
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_NOTHING = object()
_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
T = TypeVar("T")


class SourceFiles:
    """Parsed files, each read once. Files that cannot be read or parsed give nothing."""

    def __init__(self) -> None:
        self._trees: dict[str, ast.Module | None] = {}
        self._functions: dict[str, dict[int, list[FunctionNode]]] = {}

    def module(self, file: str) -> ast.Module | None:
        """The tree of a whole file."""
        if file not in self._trees:
            self._trees[file] = _parsed("".join(linecache.getlines(file)))
        return self._trees[file]

    def function(self, fn: AnyFunction) -> FunctionNode | None:
        """The node of a function: the one that begins where its code says, by its name."""
        code = fn.__code__
        if code.co_filename not in self._functions:
            self._functions[code.co_filename] = _by_line(self.module(code.co_filename))
        found = self._functions[code.co_filename].get(code.co_firstlineno, ())
        arguments = code.co_varnames[: code.co_argcount]
        for node in found:
            named = getattr(node, "name", "<lambda>") == code.co_name
            if named and tuple(one.arg for one in _positional(node)) == arguments:
                return node
        return None


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text) if text else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # changed since it was imported, or no Python at all


def _by_line(tree: ast.Module | None) -> dict[int, list[FunctionNode]]:
    found: dict[int, list[FunctionNode]] = {}
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, FunctionNode):
            decorators = getattr(node, "decorator_list", ())
            first = min([node.lineno, *(one.lineno for one in decorators)])
            found.setdefault(first, []).append(node)
    return found


def _positional(node: FunctionNode) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args]


def functions_of(value: Any) -> Iterator[tuple[AnyFunction, Any]]:
    """The functions that run where ``value`` is called, each with the object it is bound to (or
    None): those behind partials, methods, wrappers and callable objects.

    >>> [fn.__name__ for fn, _ in functions_of(functools.partial(module_of, None))]
    ['module_of']
    """
    bound: Any = None
    for _ in range(20):  # a wrapper may wrap itself
        if isinstance(value, FunctionType):
            yield value, bound
            value = value.__dict__.get("__wrapped__", _NOTHING)
        elif isinstance(value, MethodType):
            bound, value = value.__self__, value.__func__
        elif isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, type):
            return
        elif isinstance(static(value, "__wrapped__"), FunctionType):
            value = static(value, "__wrapped__")
        else:
            bound, value = value, static(type(value), "__call__")
        if value is _NOTHING or value is None:
            return


def static(value: Any, name: str, default: T | None = None) -> Any | T | None:
    """An attribute, without running any code of ``value``'s: no property, no ``__getattr__``."""
    import inspect

    if isinstance(value, ModuleType):
        found = vars(value).get(name, _NOTHING)
        if found is _NOTHING:
            found = sys.modules.get(f"{value.__name__}.{name}", default)
        return found
    try:
        return inspect.getattr_static(value, name)
    except AttributeError:
        return default
    except Exception:  # an object whose own __dict__ lies
        return default


def module_of(value: Any) -> ModuleType | None:
    """The loaded module in which a function or a class was written."""
    name = getattr(value, "__module__", None) if isinstance(value, (FunctionType, type)) else None
    return sys.modules.get(name) if isinstance(name, str) else None


def owner_of(fn: AnyFunction) -> type | None:
    """The class in whose body a function was written; None for a plain function, or a local class."""
    found: Any = module_of(fn)
    parts = fn.__qualname__.split(".")[:-1]
    if not parts or "<locals>" in parts or found is None:
        return None
    for part in parts:
        found = static(found, part)
    return found if isinstance(found, type) else None


def cells_of(fn: AnyFunction) -> Mapping[str, Any]:
    """What a closure holds, by its names."""
    found = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def loads_of(code: CodeType) -> Iterator[tuple[str, ...]]:
    """The names that compiled code reads, with the attributes that follow: ``("os", "open")``.

    For functions without a source; inner functions are read, too.
    """
    import dis

    chain: tuple[str, ...] = ()
    for one in dis.get_instructions(code):
        if one.opname in _LOADS:
            if chain:
                yield chain
            chain = (str(one.argval),)
        elif one.opname in _ATTRIBUTES and chain:
            chain = (*chain, str(one.argval))
        elif one.opname not in ("PUSH_NULL", "CACHE", "PRECALL") and chain:
            yield chain
            chain = ()
    if chain:
        yield chain
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from loads_of(constant)
