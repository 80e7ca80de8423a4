"""The public names' signatures as stubs, read from the sources: what docs/api.md must show.

python tools/signatures.py step     # prints one
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from pathlib import Path

WIDTH = 92

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def exported() -> dict[str, object]:
    """What `from surefoot import *` gives, by name."""
    package = importlib.import_module("surefoot")
    return {name: getattr(package, name) for name in package.__all__}


MET = {
    "On": "surefoot.policy",
    "Bound": "surefoot.workflow.step",
    "Failure": "surefoot.attempts",
    "RunFailure": "surefoot.workflow.run",
    "disabled": "surefoot.testing",
}
"""What users meet although `surefoot` does not export it, and the module that defines it."""


def met() -> dict[str, object]:
    """These, by name."""
    return {name: getattr(importlib.import_module(module), name) for name, module in MET.items()}


def is_described(value: object) -> bool:
    """Whether a name has a signature of our own: functions and classes, not aliases and constants."""
    return (inspect.isfunction(value) or inspect.isclass(value)) and (
        getattr(value, "__module__", "") or ""
    ).startswith("surefoot")


def stub(value: object) -> str:
    """The stub of a function or class: its implementation's signature, with all defaults."""
    definition = _definition(value)
    if isinstance(definition, ast.ClassDef):
        return _class(definition)
    return _function(definition)


def _definition(value: object) -> Definition:
    module = importlib.import_module(value.__module__)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    name = value.__name__  # type: ignore[attr-defined]
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name == name
        and not _decorated(node, "overload")
    ]
    if not found:
        raise LookupError(f"{value.__module__} does not define {name}")
    return found[0]


def _decorated(node: Definition, name: str) -> bool:
    return any(ast.unparse(d).split("(")[0].split(".")[-1] == name for d in node.decorator_list)


def _function(node: Function, indent: str = "") -> str:
    shown = ("property", "classmethod", "staticmethod", "contextmanager")
    kept = [d for d in shown if _decorated(node, d)]
    lines = [f"@{name}" for name in kept]
    start = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    one_line = f"{start} {node.name}({ast.unparse(node.args)}){returns}: ..."
    if len(indent) + len(one_line) <= WIDTH:
        lines.append(one_line)
    else:
        lines.append(f"{start} {node.name}(")
        lines += [f"    {argument}," for argument in _arguments(node.args)]
        lines.append(f"){returns}: ...")
    return textwrap.indent("\n".join(lines), indent)


def _arguments(arguments: ast.arguments) -> list[str]:
    """Each parameter as it is written, with "/" and "*" among them."""

    def shown(argument: ast.arg, default: ast.expr | None) -> str:
        text = ast.unparse(argument)
        if default is None:
            return text
        return (
            f"{text} = {ast.unparse(default)}"
            if argument.annotation
            else f"{text}={ast.unparse(default)}"
        )

    positional = [*arguments.posonlyargs, *arguments.args]
    gap = len(positional) - len(arguments.defaults)
    result = []
    for index, argument in enumerate(positional):
        result.append(shown(argument, arguments.defaults[index - gap] if index >= gap else None))
        if arguments.posonlyargs and index == len(arguments.posonlyargs) - 1:
            result.append("/")
    if arguments.vararg:
        result.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        result.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        result.append(shown(argument, default))
    if arguments.kwarg:
        result.append(f"**{ast.unparse(arguments.kwarg)}")
    return result


def _class(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    header = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    body = []
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            if not member.target.id.startswith("_"):
                body.append(textwrap.indent(ast.unparse(member), "    "))
        elif isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            wanted = not member.name.startswith("_") or member.name in ("__init__", "__len__")
            if wanted and not _decorated(member, "overload"):
                body.append(_function(member, "    "))
    return "\n".join([header, *body]) if body else f"{header} ..."


if __name__ == "__main__":
    names = {**exported(), **met()}
    for asked in sys.argv[1:] or names:
        if is_described(names[asked]):
            print(stub(names[asked]), end="\n\n")
