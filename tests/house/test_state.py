"""No module-level state but the context variable and the registry of known secrets (ADR 13).

A constant may be a dict or a set, if its name is in capitals and nothing in its module changes it.
Whatever exists to be changed or waited for (locks, queues, counters, connections) may not be made at
import time: two runtimes in one process, and a fork, would share it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "surefoot"

CONTAINERS = {"list", "dict", "set", "bytearray"}
STATEFUL = {
    "ChainMap",
    "Condition",
    "ContextVar",
    "Counter",
    "Event",
    "Lock",
    "OrderedDict",
    "Queue",
    "RLock",
    "Random",
    "Semaphore",
    "SimpleQueue",
    "Thread",
    "ThreadPoolExecutor",
    "WeakKeyDictionary",
    "WeakSet",
    "WeakValueDictionary",
    "connect",
    "count",
    "defaultdict",
    "deque",
    "local",
}
CHANGES = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault",
    "sort", "update",
}  # fmt: skip


def top_level(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of each assignment that runs when the module is imported."""
    nodes: list[ast.stmt] = list(tree.body)
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, ast.If | ast.Try):
            nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        elif isinstance(node, ast.ClassDef):
            nodes += node.body  # a class's attributes live as long as its module
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def called(value: ast.expr) -> str:
    """The last word of what is called: `threading.Lock()` → Lock."""
    if not isinstance(value, ast.Call):
        return ""
    function = value.func
    if isinstance(function, ast.Subscript):  # ContextVar[str](…)
        function = function.value
    return ast.unparse(function).split(".")[-1]


def is_container(value: ast.expr) -> bool:
    literal = isinstance(
        value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    )
    return literal or called(value) in CONTAINERS


def changed(tree: ast.Module) -> set[str]:
    """Names that the module's code writes into: NAME[…] = …, del NAME[…], NAME.append(…)."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target: ast.expr = node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CHANGES
        ):
            target = node.func.value
        else:
            continue
        if isinstance(target, ast.Name):
            names.add(target.id)
    return names


# The one exception: docs/adr/0013-known-secrets.md says why.
REGISTRY = ("scrub.known", "HIDDEN_VALUES")


def problems(source: str, module: str) -> list[str]:
    tree = ast.parse(source)
    written = changed(tree)
    found = []
    for name, value in top_level(tree):
        what = called(value)
        if what == "ContextVar" and module == "context":
            continue  # the one context variable
        if (module, name) == REGISTRY:
            continue
        if what in STATEFUL:
            found.append(f"{name} = {what}(…): make it where it is used, or in the runtime")
        elif is_container(value) and name != "__all__" and not name.startswith("__"):
            if not name.isupper():
                found.append(f"{name}: a constant is in capitals, and anything else is state")
            elif name in written:
                found.append(f"{name} is written into")
    found += [
        f"global {', '.join(node.names)}" for node in ast.walk(tree) if isinstance(node, ast.Global)
    ]
    return found


@pytest.mark.parametrize(
    "path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES))
)
def test_a_module_keeps_no_state_of_its_own(path: Path) -> None:
    module = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
    assert problems(path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    "source",
    [
        "cache = {}",
        "SEEN: set[str] = set()\ndef f(x): SEEN.add(x)",
        "import threading\nlock = threading.Lock()",
        "from contextvars import ContextVar\nrun = ContextVar[str]('run')",
        "class Steps:\n    known = []",
        "total = 0\ndef f():\n    global total\n    total += 1",
        "TABLE = {'a': 1}\ndef f(): TABLE['b'] = 2",
    ],
)
def test_state_is_noticed(source: str) -> None:
    assert problems(source, "journal")


def test_the_registry_of_known_secrets_is_one_dictionary_that_only_grows() -> None:
    source = (SOURCES / "scrub" / "known.py").read_text(encoding="utf-8")
    writes = [line.strip() for line in source.splitlines() if "HIDDEN_VALUES" in line]
    assert [line for line in writes if "HIDDEN_VALUES[" in line] == ["HIDDEN_VALUES[value] = None"]
    assert not any(f"HIDDEN_VALUES.{one}(" in source for one in CHANGES)
    assert problems("HIDDEN_VALUES = {}\ndef f(): HIDDEN_VALUES['a'] = 1", "scrub.other")


@pytest.mark.parametrize(
    "source",
    [
        "TABLE = {'a': 1}\ndef f(): return TABLE['a']",
        "__all__ = ['f']",
        "NAMES = ('a', 'b')",
        "import logging\nlogger = logging.getLogger(__name__)",
        "def f():\n    found = []\n    found.append(1)\n    return found",
    ],
)
def test_constants_are_no_state(source: str) -> None:
    assert problems(source, "journal") == []
