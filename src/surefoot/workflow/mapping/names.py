"""What the expressions of a function may stand for: live objects, found without running anything.

Names are looked up as Python does: in the function, around it, in its closure, in its module. What
is assigned to a name in a function is followed, whatever the order: all that it may be counts.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any, Literal

from ...context import carry
from ...errors import SurefootError
from ..step import Bound, Step
from ..workflow import Workflow
from .source import AnyFunction, FunctionNode, SourceFiles, cells_of, functions_of, owner_of, static

__all__ = ["Found", "Names", "Scope"]

METHODS = frozenset(("map", "starmap", "bind", "with_options", "start", "resume"))
"""What is called on a step or a workflow, and is no step itself."""

DEEPEST = 30
"""Aliases of aliases that are followed."""
MOST = 200
"""Members of a collection that are looked at."""

_NOTHING = object()
_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


@dataclass(frozen=True, eq=False)
class Found:
    """A live object that an expression may stand for.

    ``role``: ``itself``; an ``instance`` of the class ``value``; a ``method`` (``name``) of a step
    or workflow; what ``super()`` gives in the class ``value``. ``bound`` is the object that a
    function was reached through. ``picked``: it came out of a collection. ``unread``: options that
    were changed by values that only a run knows.
    """

    value: Any
    role: Literal["itself", "instance", "method", "super"] = "itself"
    name: str = ""
    bound: Found | None = None
    picked: bool = False
    unread: str = ""

    @property
    def step(self) -> Step[..., Any] | None:
        """The step that this is, or is a method of, or has bound arguments of."""
        if self.role in ("itself", "method"):
            if isinstance(self.value, Step):
                return self.value
            if isinstance(self.value, Bound):
                return self.value._step
        return None

    @property
    def workflow(self) -> Workflow[..., Any] | None:
        return self.value if isinstance(self.value, Workflow) and self.role != "instance" else None

    @property
    def key(self) -> tuple[Any, ...]:
        bound = self.bound.key if self.bound is not None else None
        return id(self.value), self.role, self.name, bound, self.unread


@dataclass
class _Binding:
    """Where a name gets a value from: an expression's own, or what it is made of (its elements)."""

    how: Literal["value", "elements", "found"]
    node: ast.expr | None
    scope: Scope | None
    found: tuple[Found, ...] = ()


@dataclass
class Scope:
    """The names of one function body, lambda or comprehension."""

    fn: AnyFunction
    outer: Scope | None = None
    me: Found | None = None
    """The first argument of a method."""
    bindings: dict[str, list[_Binding]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    """Names that are declared global or nonlocal."""

    def bind(self, name: str, *bindings: _Binding) -> None:
        self.bindings.setdefault(name, []).extend(bindings)


class Names:
    """Looks expressions up. One for a whole analysis: what was found once is kept."""

    def __init__(self, files: SourceFiles) -> None:
        self.files = files
        self._variants: dict[tuple[int, str], Found] = {}
        self._returns: dict[Any, list[Found]] = {}
        self._known: dict[tuple[Any, ...], list[Found]] = {}
        """What names and fields are, by where they stand; empty while that is being found out, so
        that ``path = path.parent or path`` comes to an end."""
        self._kept: list[Any] = []  # ids stay unique as long as this lives

    # -- scopes ---------------------------------------------------------------------------------

    def scope(
        self,
        fn: AnyFunction,
        node: FunctionNode,
        me: Found | None = None,
        given: Mapping[str, Sequence[Found]] | None = None,
    ) -> Scope:
        """The scope of a function's body.

        :param me: the object or class that it is called on.
        :param given: what its parameters are known to get.
        """
        made = Scope(fn, me=me)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        defaults = _defaults(fn)
        for number, one in enumerate(arguments):
            found = list((given or {}).get(one.arg, ()))
            if number == 0 and me is not None and one in (*node.args.posonlyargs, *node.args.args):
                found.append(me)
            if one.arg in defaults:
                found.append(Found(defaults[one.arg]))
            if one.annotation is not None:
                outside = Scope(fn)
                for each in self.values(one.annotation, outside):
                    if isinstance(each.value, type) and each.role == "itself":
                        found.append(Found(each.value, "instance"))
            made.bind(one.arg, _Binding("found", None, None, tuple(found)))
        for extra in (node.args.vararg, node.args.kwarg):
            if extra is not None:
                made.bind(extra.arg)
        self.fill(made, node.body if isinstance(node.body, list) else [node.body])
        return made

    def inner(self, outer: Scope, node: FunctionNode) -> Scope:
        """The scope of a function or lambda inside another one."""
        made = Scope(outer.fn, outer, outer.me)
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            made.bind(one.arg)
        for extra in (arguments.vararg, arguments.kwarg):
            if extra is not None:
                made.bind(extra.arg)
        self.fill(made, node.body if isinstance(node.body, list) else [node.body])
        return made

    def comprehension(self, outer: Scope, node: _Comprehension) -> Scope:
        made = Scope(outer.fn, outer, outer.me)
        for one in node.generators:
            self._target(made, one.target, "elements", one.iter, made)
        return made

    def fill(self, scope: Scope, body: Iterable[ast.AST]) -> None:
        """Note where the names that a body assigns get their values from."""
        for node in body:
            self._note(scope, node)

    def _note(self, scope: Scope, node: ast.AST) -> None:
        if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not isinstance(node, ast.Lambda):
                scope.bind(node.name)
            return
        if isinstance(node, _Comprehension):
            self._walruses(scope, node)
            return
        if isinstance(node, ast.Global | ast.Nonlocal):
            scope.elsewhere.update(node.names)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._target(scope, target, "value", node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            self._target(scope, node.target, "value", node.value, scope)
        elif isinstance(node, ast.NamedExpr):
            self._target(scope, node.target, "value", node.value, scope)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._target(scope, node.target, "elements", node.iter, scope)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    self._target(scope, item.optional_vars, "value", item.context_expr, scope)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(scope, node)
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            scope.bind(node.name)
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
            scope.bind(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            scope.bind(node.rest)
        for child in ast.iter_child_nodes(node):
            self._note(scope, child)

    def _walruses(self, scope: Scope, node: ast.AST) -> None:
        """``:=`` in a comprehension names something of the function around it."""
        for child in ast.walk(node):
            if isinstance(child, ast.NamedExpr):
                self._target(scope, child.target, "value", child.value, scope)

    def _target(
        self,
        scope: Scope,
        target: ast.expr,
        how: Literal["value", "elements"],
        node: ast.expr | None,
        where: Scope,
    ) -> None:
        if isinstance(target, ast.Name):
            if node is None:
                scope.bind(target.id)
            else:
                scope.bind(target.id, _Binding(how, node, where))
        elif isinstance(target, ast.Starred):
            self._target(scope, target.value, how, node, where)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = node.elts if how == "value" and isinstance(node, ast.Tuple | ast.List) else None
            for number, one in enumerate(target.elts):
                if parts is not None and len(parts) == len(target.elts):
                    self._target(scope, one, "value", parts[number], where)
                else:
                    self._target(scope, one, "elements", node, where)

    def _import(self, scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.split(".")[0]
                self._imported(scope, alias.asname or name, sys.modules.get(name, _NOTHING))
            return
        source: Any = sys.modules.get(imported_from(node, scope.fn), _NOTHING)
        for alias in node.names:
            value = _NOTHING if source is _NOTHING else static(source, alias.name, _NOTHING)
            self._imported(scope, alias.asname or alias.name, value)

    def _imported(self, scope: Scope, name: str, value: Any) -> None:
        found = () if value is _NOTHING else (Found(value),)
        scope.bind(name, _Binding("found", None, None, found))

    # -- values ---------------------------------------------------------------------------------

    def values(self, node: ast.AST | None, scope: Scope, depth: int = 0) -> list[Found]:
        """What an expression may stand for; nothing where that cannot be told."""
        if depth > DEEPEST or node is None:
            return []
        depth += 1
        if isinstance(node, ast.Name):
            return self._name(node.id, scope, depth)
        if isinstance(node, ast.Attribute):
            found: list[Found] = []
            for base in self.values(node.value, scope, depth):
                found += self.attribute(base, node.attr, depth)
            return _once(found)
        if isinstance(node, ast.Call):
            return _once(self._called(node, scope, depth))
        if isinstance(node, ast.Await | ast.Starred | ast.NamedExpr):
            return self.values(node.value, scope, depth)
        if isinstance(node, ast.IfExp):
            return _once(
                self.values(node.body, scope, depth) + self.values(node.orelse, scope, depth)
            )
        if isinstance(node, ast.BoolOp):
            return _once([one for part in node.values for one in self.values(part, scope, depth)])
        if isinstance(node, ast.Subscript):
            return self._subscript(node, scope, depth)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._quoted(node.value, scope, depth)
        return []

    def _quoted(self, text: str, scope: Scope, depth: int) -> list[Found]:
        """An annotation in quotes; any other text names nothing that exists, or does no harm."""
        if not text.replace(".", "").isidentifier():
            return []
        inner = ast.parse(text, mode="eval").body if "." in text else ast.Name(text, ast.Load())
        return [one for one in self.values(inner, scope, depth) if isinstance(one.value, type)]

    def _name(self, name: str, scope: Scope, depth: int) -> list[Found]:
        around: Scope | None = scope
        while around is not None:
            if name in around.bindings and name not in around.elsewhere:
                key = ("name", id(around), name)
                if key not in self._known:
                    self._kept.append(around)
                    self._known[key] = []
                    bindings = around.bindings[name]
                    self._known[key] = _once(
                        [one for each in bindings for one in self._bound(each, depth)]
                    )
                return self._known[key]
            if around.outer is None:
                break
            around = around.outer
        fn = scope.fn
        cells = cells_of(fn)
        for names in (cells, fn.__globals__, vars(builtins)):
            if name in names:
                return [Found(names[name])]
        return []

    def _bound(self, binding: _Binding, depth: int) -> list[Found]:
        if binding.how == "found" or binding.scope is None:
            return list(binding.found)
        if binding.how == "value":
            return self.values(binding.node, binding.scope, depth)
        return self.elements(binding.node, binding.scope, depth)

    def elements(self, node: ast.AST | None, scope: Scope, depth: int = 0) -> list[Found]:
        """What may come out of a collection."""
        if depth > DEEPEST or node is None:
            return []
        depth += 1
        found: list[Found] = []
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for one in node.elts:
                found += self.values(one, scope, depth) or self.elements(one, scope, depth)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                found += self.values(value, scope, depth) or self.elements(value, scope, depth)
        elif isinstance(node, ast.Call):
            inner = [node.func.value] if isinstance(node.func, ast.Attribute) else node.args
            for part in inner:  # steps.items(), reversed(steps), zip(steps, names)
                found += self.elements(part, scope, depth)
        elif isinstance(node, ast.Name):
            around: Scope | None = scope
            while around is not None and node.id not in around.bindings:
                around = around.outer
            if around is not None:
                found += self._elements_of(node.id, around, depth)
        for each_found in self.values(node, scope, depth):
            found += _members(each_found)
        return [
            Found(one.value, one.role, one.name, one.bound, True, one.unread)
            for one in _once(found)
        ]

    def _elements_of(self, name: str, scope: Scope, depth: int) -> list[Found]:
        key = ("elements", id(scope), name)
        if key not in self._known:
            self._kept.append(scope)
            self._known[key] = []
            self._known[key] = _once(
                [
                    one
                    for each in scope.bindings[name]
                    if each.scope is not None
                    for one in self.elements(each.node, each.scope, depth)
                ]
            )
        return self._known[key]

    def _subscript(self, node: ast.Subscript, scope: Scope, depth: int) -> list[Found]:
        if isinstance(node.slice, ast.Constant):
            exact = []
            for base in self.values(node.value, scope, depth):
                if base.role == "itself" and isinstance(base.value, (dict, list, tuple)):
                    try:
                        index: Any = node.slice.value
                        exact.append(Found(base.value[index]))
                    except (LookupError, TypeError):
                        continue
            if exact:
                return exact
        return self.elements(node.value, scope, depth)

    # -- attributes -----------------------------------------------------------------------------

    def attribute(self, base: Found, name: str, depth: int = 0) -> list[Found]:
        """``base.name``, without running any code of the object's."""
        value = base.value
        if base.role == "method":
            return []
        if base.role == "itself" and isinstance(value, (Step, Bound, Workflow)):
            if name in METHODS:
                return [Found(value, "method", name, base.bound, base.picked, base.unread)]
            bare = name == "__wrapped__" and not isinstance(value, Bound)
            return [Found(static(value, name))] if bare else []
        if base.role == "super":
            for one in value.__mro__[1:]:
                if name in vars(one):
                    return self._reached(vars(one)[name], base, value)
            return []
        raw = static(value, name, _NOTHING)
        if raw is not _NOTHING:
            cls = value if isinstance(value, type) else type(value)
            return self._reached(raw, base, cls)
        cls = value if base.role == "instance" else type(value)
        if isinstance(value, (type, ModuleType)) and base.role != "instance":
            return []
        return self._field(base, cls, name, depth)

    def _reached(self, raw: Any, base: Found, cls: type) -> list[Found]:
        """What a class's or a module's entry is when it is reached through ``base``."""
        if isinstance(raw, staticmethod):
            return [Found(raw.__func__)]
        if isinstance(raw, classmethod):
            return [Found(raw.__func__, bound=Found(cls))]
        if isinstance(raw, property):
            return self.returned(raw.fget, base) if raw.fget is not None else []
        on_object = base.role in ("instance", "super") or not isinstance(
            base.value, (type, ModuleType)
        )
        if on_object and isinstance(raw, (FunctionType, Step, Workflow)):
            me = base if base.role != "super" else Found(cls, "instance")
            return [Found(raw, bound=me)]
        return [Found(raw)]

    def _field(self, base: Found, cls: type, name: str, depth: int) -> list[Found]:
        """An attribute that only objects have: as ``__init__`` sets it, or as it is annotated."""
        if depth > DEEPEST:
            return []
        key = ("field", id(cls), name)
        if key in self._known:
            return self._known[key]
        self._kept.append(cls)
        self._known[key] = []
        found: list[Found] = []
        me = Found(cls, "instance")
        for one in cls.__mro__[:-1]:
            init = vars(one).get("__init__")
            node = self.files.function(init) if isinstance(init, FunctionType) else None
            if isinstance(init, FunctionType) and node is not None:
                scope: Scope | None = None
                for part in ast.walk(node):
                    if isinstance(part, ast.Assign | ast.AnnAssign):
                        targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                        if any(isinstance(t, ast.Attribute) and t.attr == name for t in targets):
                            scope = scope or self.scope(init, node, me)
                            found += self.values(part.value, scope, depth + 1)
            annotation = vars(one).get("__annotations__", {}).get(name)
            module = sys.modules.get(one.__module__)
            if isinstance(annotation, str) and module is not None:
                annotation = _dotted(annotation, vars(module))
            if isinstance(annotation, type):
                found.append(Found(annotation, "instance"))
        self._known[key] = _once(found)
        return self._known[key]

    # -- calls ----------------------------------------------------------------------------------

    def _called(self, node: ast.Call, scope: Scope, depth: int) -> list[Found]:
        """What a call gives, as far as it matters: variants of steps, objects, returned functions."""
        found: list[Found] = []
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            owner = owner_of(scope.fn)
            return [Found(owner, "super")] if owner is not None else []
        for one in self.values(node.func, scope, depth):
            value = one.value
            if one.role == "method":
                if one.name in ("bind", "with_options") and one.step is not None:
                    found.append(
                        self._variant(one, node, scope)
                        if one.name == "with_options"
                        else Found(one.step, bound=one.bound, picked=one.picked, unread=one.unread)
                    )
                elif one.name == "with_options":
                    found.append(Found(value, bound=one.bound))
            elif value is functools.partial or value is carry:
                found += self.values(node.args[0] if node.args else None, scope, depth)
            elif value is getattr and len(node.args) > 1:
                found += self._getattr(node, scope, depth)
            elif value is type and len(node.args) == 1:
                for each in self.values(node.args[0], scope, depth):
                    cls = each.value if each.role == "instance" else type(each.value)
                    found.append(Found(cls))
            elif isinstance(value, type) and one.role == "itself":
                if value.__module__ != "builtins":
                    found.append(Found(value, "instance"))
            elif isinstance(value, (FunctionType, MethodType, functools.partial)):
                found += self.returned(value, one.bound, depth)
        return found

    def _getattr(self, node: ast.Call, scope: Scope, depth: int) -> list[Found]:
        name = node.args[1]
        if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
            return []
        found = []
        for base in self.values(node.args[0], scope, depth):
            found += self.attribute(base, name.value, depth)
        return found

    def returned(self, value: Any, me: Found | None, depth: int = 0) -> list[Found]:
        """What a function may return."""
        found: list[Found] = []
        for fn, _ in functions_of(value):
            key = (id(fn), me.key if me is not None else None)
            if key in self._returns:
                found += self._returns[key]
                continue
            self._kept.append((fn, me))
            self._returns[key] = []  # a function that returns what it returns itself
            node = self.files.function(fn)
            if node is None or depth > DEEPEST:
                continue
            scope = self.scope(fn, node, me)
            body = [node.body] if isinstance(node, ast.Lambda) else _returned(node.body)
            self._returns[key] = _once(
                [one for each in body for one in self.values(each, scope, depth + 1)]
            )
            found += self._returns[key]
        return found

    def _variant(self, one: Found, node: ast.Call, scope: Scope) -> Found:
        """``step.with_options(…)`` as a step, where the values can be read in the code."""
        step = one.step
        assert step is not None
        text = ast.unparse(node)
        key = (id(step), text)
        if key not in self._variants:
            options: dict[str, Any] = {}
            unread = []
            for keyword in node.keywords:
                value = self._constant(keyword.value, scope)
                if keyword.arg is None or value is _NOTHING:
                    unread.append(keyword.arg or "**")
                else:
                    options[keyword.arg] = value
            try:
                changed = step.with_options(**options)
            except (SurefootError, TypeError):  # the run will say so
                changed, unread = step, [*unread, *options]
            self._kept.append((step, changed))
            told = ", ".join([one.unread, *unread] if one.unread else unread)
            self._variants[key] = Found(changed, bound=one.bound, picked=one.picked, unread=told)
        return self._variants[key]

    def _constant(self, node: ast.expr, scope: Scope) -> Any:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            found = self.values(node, scope)
        if (
            len(found) == 1
            and found[0].role == "itself"
            and isinstance(found[0].value, (int, float, str, tuple, list, FunctionType, Step))
        ):
            return found[0].value
        return _NOTHING


def imported_from(node: ast.ImportFrom, fn: AnyFunction) -> str:
    """The full name of the module that ``from … import`` names."""
    if not node.level:
        return node.module or ""
    package = str(fn.__globals__.get("__package__") or "")
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _returned(body: list[ast.stmt]) -> list[ast.expr]:
    found = []
    left: list[ast.AST] = list(body)
    while left:
        node = left.pop(0)
        if isinstance(node, ast.Return) and node.value is not None:
            found.append(node.value)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            left.extend(ast.iter_child_nodes(node))
    return found


def _defaults(fn: AnyFunction) -> dict[str, Any]:
    code = fn.__code__
    positional = code.co_varnames[: code.co_argcount]
    given = fn.__defaults__ or ()
    return {
        **dict(zip(positional[len(positional) - len(given) :], given)),
        **(fn.__kwdefaults__ or {}),
    }


def _members(found: Found) -> list[Found]:
    value = found.value
    if found.role != "itself":
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if type(value) in (list, tuple, set, frozenset):
        return [Found(one) for one in list(value)[:MOST] if not isinstance(one, (str, bytes, int))]
    return []


def _dotted(text: str, names: Mapping[str, Any]) -> Any:
    """The class that an annotation names."""
    first, *rest = text.strip().split(".")
    found = names.get(first)
    for part in rest:
        found = static(found, part) if found is not None else None
    return found


def _once(found: list[Found]) -> list[Found]:
    if len(found) < 2:
        return found
    first: dict[tuple[Any, ...], Found] = {}
    for one in found:
        first.setdefault(one.key, one)
    return list(first.values())
