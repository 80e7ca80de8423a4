"""What a step's own code is, so that a resume can tell that it has changed.

Comments, blank lines, line numbers, docstrings and decorators do not count, nor does the patch
level of Python: the digest is taken over the syntax tree. Where there is no source (a console), it is
taken over the compiled code, which is another one in each minor version of Python.
"""

from __future__ import annotations

import sys
from hashlib import blake2b
from types import CodeType
from typing import Any

__all__ = ["code_digest", "source_digest"]

_SIZE = 16  # bytes


def source_digest(fn: Any) -> str | None:
    """A digest of the source of ``fn`` alone (not of what it calls), or None if it has none.

    It reads and parses a file, some hundred microseconds: once a step and process.

    >>> source_digest(source_digest)[:4], source_digest(len)
    ('ast:', None)
    """
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    fn = getattr(fn, "__func__", fn)
    if getattr(fn, "__name__", "") != "<lambda>":  # its source is the whole line around it
        shape = _source_shape(fn)
        if shape is not None:
            return f"ast:{blake2b(shape.encode(), digest_size=_SIZE).hexdigest()}"
    code = getattr(fn, "__code__", None)
    return None if code is None else code_digest(code, fn.__doc__)


def code_digest(code: CodeType, docstring: str | None = None) -> str:
    """A digest of compiled code, without its file, its lines and its ``docstring``.

    >>> one, other = (lambda x: x + 1), (lambda x: x + 2)
    >>> code_digest(one.__code__) == code_digest(other.__code__)
    False
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    data = _code_shape(code, docstring).encode("utf-8", "surrogatepass")
    return f"code{version}:{blake2b(data, digest_size=_SIZE).hexdigest()}"


def _source_shape(fn: Any) -> str | None:
    import ast
    import inspect
    import textwrap

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    except (OSError, TypeError, SyntaxError, ValueError):  # SyntaxError: part of an expression
        return None
    node = tree.body[0]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return None
    node.decorator_list = []  # options of the step, not its work
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return _shape(node)


def _is_docstring(node: Any) -> bool:
    import ast

    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _shape(node: Any) -> str:
    # Not `ast.dump`: what it writes of empty fields differs from version to version.
    if isinstance(node, list):
        return f"[{','.join(map(_shape, node))}]"
    fields = getattr(node, "_fields", None)
    if fields is None:
        return f"{type(node).__name__} {node!r}"
    parts = [
        f"{name}={_shape(value)}"
        for name in fields
        if (value := getattr(node, name, None)) not in (None, []) or name == "value"
    ]
    return f"{type(node).__name__}({','.join(parts)})"


def _code_shape(code: CodeType, docstring: str | None = None) -> str:
    constants = list(code.co_consts)
    if docstring is not None and constants and constants[0] == docstring:
        constants[0] = None
    parts = (code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, *constants)
    return "|".join(map(_constant, parts))


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code_shape(value)
    if isinstance(value, tuple):
        return f"({','.join(map(_constant, value))})"
    if isinstance(value, frozenset):  # its order is another one in each process
        return f"<{','.join(sorted(map(_constant, value)))}>"
    return f"{type(value).__name__} {value!r}"
