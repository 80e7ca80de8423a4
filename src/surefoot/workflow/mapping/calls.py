"""Which steps a workflow calls, as far as its code says so: nothing is run to find out.

There is no graph of a workflow, only Python. So the body is read like a reader would: calls of steps,
their maps, aliases, helpers and the steps within steps are followed; cycles end, and what is reached
by a name that only a run knows is not found. :data:`NOT_SHOWN` says so in the output.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Literal

from ...context import carry
from ...execution.effects import idempotency_key
from ...execution.spec import StepSpec
from ..step import Bound, Step, effect, step
from ..workflow import Workflow, workflow
from .names import Found, Names, Scope, imported_from
from .source import AnyFunction, SourceFiles, functions_of, loads_of, owner_of, static

__all__ = ["NOT_SHOWN", "Calls", "StepUses", "Use"]

NOT_SHOWN = (
    "Steps are found by reading the code. Those that are reached only by a name which a run makes up "
    "(getattr with a variable, a registry that is filled later) are not shown, unless the journal "
    "has seen them."
)

MOST_FUNCTIONS = 5_000
"""Bodies that are read for one workflow; a body counts once for each place it is called in."""

How = Literal["call", "map", "fallback", "handed on"]
_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


@dataclass(frozen=True)
class Use:
    """One place where a step is used.

    ``inside`` is the step around it, ``once`` whether that one owns the retries, ``guarded`` whether
    a ``try`` in the same function stands around it. ``options`` of a map are texts, as the code has
    them. ``to`` names whom a step is handed to, or whose fallback it is.
    """

    how: How
    function: str
    line: int
    inside: str | None = None
    once: bool = False
    guarded: bool = False
    picked: bool = False
    unread: str = ""
    options: tuple[tuple[str, str], ...] = ()
    to: str | None = None

    @property
    def quarantines(self) -> bool:
        """Whether failed items of this map are set aside."""
        return self.how == "map" and dict(self.options).get("on_failure") != "'halt'"


@dataclass
class StepUses:
    """A step, where it is used, and what its own code reads."""

    spec: StepSpec
    uses: list[Use] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    """Names of the modules that its code, and that of its helpers, uses."""
    raises: list[type[BaseException]] = field(default_factory=list)
    """Exception classes that its code raises by name."""
    asks_for_key: bool = False


@dataclass(frozen=True)
class _Context:
    """Where a body is read: in which step, under whose retries."""

    step: StepUses | None = None
    once: bool = False
    guarded: bool = False

    @property
    def inside(self) -> str | None:
        return self.step.spec.name if self.step is not None else None


class Calls:
    """The steps of one workflow, in the order in which its code names them.

    >>> from surefoot import step, workflow
    >>> @step(name="load")
    ... def load() -> int: ...
    >>> Calls(workflow(lambda: load.map([])))
    <Calls of 1 step>
    """

    def __init__(self, of: Workflow[..., Any]) -> None:
        self.files = SourceFiles()
        self.names = Names(self.files)
        self.steps: list[StepUses] = []
        self.notes: list[str] = []
        """What a reader must know about the reading itself."""
        self.workflows: list[str] = [of.name]
        self._by_spec: dict[int, StepUses] = {}
        self._seen: dict[Any, Any] = {}
        self._used: set[tuple[int, Use]] = set()
        self._home = (of.__wrapped__.__module__ or "").split(".")[0]
        prefix = of._prefix[0] if of._prefix else None
        self._workflow(of, Found(prefix) if prefix is not None else None, _Context())

    def __repr__(self) -> str:
        return f"<Calls of {len(self.steps)} step{'s' if len(self.steps) != 1 else ''}>"

    # -- bodies ---------------------------------------------------------------------------------

    def _workflow(self, of: Workflow[..., Any], me: Found | None, context: _Context) -> None:
        self._enter(of.__wrapped__, me, {}, replace(context, guarded=False))

    def _enter(
        self, value: Any, me: Found | None, given: Mapping[str, Sequence[Found]], context: _Context
    ) -> None:
        """Read the bodies of whatever runs where ``value`` is called."""
        for fn, bound in functions_of(value):
            if me is None and bound is not None:
                me = Found(bound)
            if me is None and _takes_self(fn):
                owner = owner_of(fn)
                me = Found(owner, "instance") if owner is not None else None
            self._body(fn, me, given, replace(context, guarded=False))

    def _body(
        self,
        fn: AnyFunction,
        me: Found | None,
        given: Mapping[str, Sequence[Found]],
        context: _Context,
    ) -> None:
        if not self._is_users(fn):
            return
        around = id(context.step) if context.step is not None else None
        passed = tuple((name, tuple(one.key for one in found)) for name, found in given.items())
        key = (id(fn), me.key if me is not None else None, passed, around, context.once)
        if key in self._seen:
            return
        if len(self._seen) >= MOST_FUNCTIONS:
            self._note(f"more than {MOST_FUNCTIONS:,} bodies: what is called beyond is not shown")
            return
        self._seen[key] = (fn, me, given)
        node = self.files.function(fn)
        try:
            if node is None:
                self._compiled(fn, context)
                return
            scope = self.names.scope(fn, node, me, given)
            self._annotations(node, scope, context)
            body = node.body if isinstance(node.body, list) else [node.body]
            for one in body:
                self._visit(one, scope, context)
        except RecursionError:
            self._note(f"{fn.__qualname__} is nested too deeply to be read")

    def _compiled(self, fn: AnyFunction, context: _Context) -> None:
        """A body whose source is not at hand: the names in its compiled code are all there is."""
        if not fn.__code__.co_filename.startswith(
            "<"
        ):  # made by a program, as a dataclass's __init__
            self._note(
                f"the source of {fn.__qualname__} cannot be read: only names in its compiled code count"
            )
        scope = Scope(fn)
        for first, *rest in loads_of(fn.__code__):
            reached = self.names.values(ast.Name(first, ast.Load()), scope)
            for name in rest:
                reached = [each for one in reached for each in self.names.attribute(one, name)]
            for one in reached:
                self._modules(one, context)
                self._dispatch(one, None, scope, context, fn.__code__.co_firstlineno)

    def _annotations(self, node: ast.AST, scope: Scope, context: _Context) -> None:
        """``client: httpx.Client`` says what a step stands on, whoever passes it."""
        arguments = getattr(node, "args", None)
        for one in ast.walk(arguments) if isinstance(arguments, ast.arguments) else ():
            if isinstance(one, ast.arg) and one.annotation is not None:
                for part in ast.walk(one.annotation):
                    if isinstance(part, ast.Name | ast.Attribute):
                        for found in self.names.values(part, Scope(scope.fn)):
                            self._modules(found, context)

    # -- what is in them ------------------------------------------------------------------------

    def _visit(self, node: ast.AST, scope: Scope, context: _Context) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if not isinstance(node, ast.Lambda):
                self._inner_steps(node, scope)
            inner = self.names.inner(scope, node)
            for part in node.body if isinstance(node.body, list) else [node.body]:
                # it may be called anywhere: a try around its definition guards nothing
                self._visit(part, inner, replace(context, guarded=False))
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                self._visit(part, scope, context)
        elif isinstance(node, _Comprehension):
            inner = self.names.comprehension(scope, node)
            for child in sorted(ast.iter_child_nodes(node), key=_generators_first):
                self._visit(child, inner, context)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            caught = replace(
                context, guarded=context.guarded or bool(getattr(node, "handlers", ()))
            )
            for name in ("body", "handlers", "orelse", "finalbody"):
                for part in getattr(node, name, ()):
                    self._visit(part, scope, caught if name == "body" else context)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._visit(item, scope, context)
            quiet = any(
                one.value is contextlib.suppress
                for item in node.items
                if isinstance(item.context_expr, ast.Call)
                for one in self.names.values(item.context_expr.func, scope)
            )
            for part in node.body:
                self._visit(part, scope, replace(context, guarded=context.guarded or quiet))
        elif isinstance(node, ast.Call):
            self._call(node, scope, context)
        else:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, scope, context)
            elif isinstance(node, ast.Raise) and context.step is not None:
                self._raise(node, scope, context.step)
            elif isinstance(node, ast.Name | ast.Attribute) and context.step is not None:
                for one in self.names.values(node, scope):
                    self._modules(one, context)
            for child in ast.iter_child_nodes(node):
                self._visit(child, scope, context)

    def _inner_steps(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for decorator in node.decorator_list:
            made_by = decorator.func if isinstance(decorator, ast.Call) else decorator
            for one in self.names.values(made_by, scope):
                if one.value in (step, effect, workflow):
                    self._note(
                        f"{node.name} is made a step by {scope.fn.__qualname__} while it runs (line "
                        f"{node.lineno}): its options are not known before"
                    )

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope, context: _Context) -> None:
        if context.step is not None:
            if isinstance(node, ast.ImportFrom):
                context.step.modules.add(imported_from(node, scope.fn))
            else:
                context.step.modules.update(alias.name for alias in node.names)

    def _raise(self, node: ast.Raise, scope: Scope, step_: StepUses) -> None:
        made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        for one in self.names.values(made, scope):
            cls = type(one.value) if isinstance(one.value, BaseException) else one.value
            if isinstance(cls, type) and issubclass(cls, BaseException) and cls not in step_.raises:
                step_.raises.append(cls)

    def _call(self, node: ast.Call, scope: Scope, context: _Context) -> None:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        for each in arguments:
            self._visit(each, scope, context)
        if isinstance(node.func, ast.Attribute):
            self._visit(node.func.value, scope, context)
        targets = self.names.values(node.func, scope)
        if not isinstance(node.func, ast.Name | ast.Attribute):
            self._visit(node.func, scope, context)
        followed = False
        for one in targets:
            self._modules(one, context)
            followed = self._dispatch(one, node, scope, context, node.lineno) or followed
        if followed:
            return
        for each in arguments:
            self._handed_on(each, node, scope, context)

    def _handed_on(
        self, argument: ast.expr, node: ast.Call, scope: Scope, context: _Context
    ) -> None:
        """A step that goes into a call which cannot be followed: a pool, a library."""
        for one in self.names.values(argument, scope) or self.names.elements(argument, scope):
            if one.role == "method" and one.name not in ("map", "starmap"):
                continue
            to, where = ast.unparse(node.func), scope.fn.__qualname__
            if one.step is not None:
                self._use(one, "handed on", where, context, node.lineno, to=to[:60])
            elif one.workflow is not None and one.role == "itself":
                self._nested(one, context)
            elif isinstance(one.value, FunctionType) and one.role == "itself":
                self._enter(one.value, one.bound, {}, context)

    def _dispatch(
        self, one: Found, node: ast.Call | None, scope: Scope, context: _Context, line: int
    ) -> bool:
        """Follow a call; False where nobody here can say what it does with its arguments."""
        value, where = one.value, scope.fn.__qualname__
        if one.step is not None:
            if one.role == "itself" and not isinstance(value, Bound):
                self._use(one, "call", where, context, line)
            elif one.name in ("map", "starmap"):
                self._use(one, "map", where, context, line, options=_options(node))
            return True
        if one.workflow is not None:
            if one.role == "itself":
                self._nested(one, context)
            elif one.name in ("start", "resume"):
                self._note(
                    f"{scope.fn.__qualname__} starts runs of their own of {one.workflow.name}: they "
                    "have a map of their own"
                )
            return one.role == "itself"
        if value is functools.partial or value is carry:
            return True  # a name for what they wrap
        if value is idempotency_key and context.step is not None:
            context.step.asks_for_key = True
        if one.role == "instance":
            call = static(value, "__call__")
            if isinstance(call, FunctionType):
                self._enter(call, one, self._given(call, one, node, scope), context)
                return self._is_users(call)
            return False
        if isinstance(value, type):
            return self._made(one, node, scope, context)
        followed = False
        for fn, bound in functions_of(value):
            me = one.bound or (Found(bound) if bound is not None else None)
            self._enter(fn, me, self._given(fn, me, node, scope), context)
            followed = followed or self._is_users(fn)
        return followed

    def _made(self, one: Found, node: ast.Call | None, scope: Scope, context: _Context) -> bool:
        """An object is made: its ``__init__`` runs."""
        followed = False
        for name in ("__init__", "__post_init__"):
            init = static(one.value, name)
            if isinstance(init, FunctionType) and self._is_users(init):
                me = Found(one.value, "instance")
                self._enter(init, me, self._given(init, me, node, scope), context)
                followed = True
        return followed

    def _given(
        self, fn: AnyFunction, me: Found | None, node: ast.Call | None, scope: Scope
    ) -> Mapping[str, Sequence[Found]]:
        """The steps and functions that a call passes, by the names of the parameters."""
        if node is None:
            return {}
        names = fn.__code__.co_varnames[: fn.__code__.co_argcount + fn.__code__.co_kwonlyargcount]
        shift = 1 if me is not None and _takes_self(fn) else 0
        given: dict[str, Sequence[Found]] = {}
        pairs: list[tuple[str, ast.expr]] = [
            (names[number + shift], one)
            for number, one in enumerate(node.args)
            if number + shift < fn.__code__.co_argcount
        ]
        pairs += [(one.arg, one.value) for one in node.keywords if one.arg in names and one.arg]
        for name, one in pairs:
            found = [each for each in self.names.values(one, scope) if _worth_following(each)]
            if found:
                given[name] = found
        return given

    def _nested(self, one: Found, context: _Context) -> None:
        of = one.workflow
        assert of is not None
        if of.name not in self.workflows:
            self.workflows.append(of.name)
        me = one.bound
        if of._prefix:
            me = Found(of._prefix[0])
        self._workflow(of, me, context)

    # -- uses -----------------------------------------------------------------------------------

    def _use(
        self, one: Found, how: How, function: str, context: _Context, line: int, **told: Any
    ) -> None:
        used = one.step
        assert used is not None
        entry = self._entry(used.spec)
        use = Use(
            how,
            function,
            line,
            inside=context.inside,
            once=context.once,
            guarded=context.guarded,
            picked=one.picked,
            unread=one.unread,
            **told,
        )
        if (id(entry), use) not in self._used:
            self._used.add((id(entry), use))
            entry.uses.append(use)
        prefix = getattr(used, "_prefix", ())
        me = Found(prefix[0]) if prefix else one.bound
        # as the engine does with a step within a step: the outer one owns the retries
        within = _Context(entry, context.once or used.spec.policy.attempts != 1)
        self._enter(used.spec.fn, me, {}, within)
        self._fallbacks(entry, within)

    def _fallbacks(self, entry: StepUses, context: _Context) -> None:
        """What stands in for a step runs inside of it."""
        spec = entry.spec
        for target in [to.target for on in spec.policy.recover for to in on.fallbacks]:
            if isinstance(target, Step):
                if entry.spec is not target.spec:
                    line = _line_of(spec.fn)
                    self._use(Found(target), "fallback", spec.name, context, line, to=spec.name)
            elif isinstance(target, Workflow):
                self._nested(Found(target), context)
            elif callable(target):
                self._enter(target, None, {}, context)

    def _entry(self, spec: StepSpec) -> StepUses:
        if id(spec) not in self._by_spec:
            self._by_spec[id(spec)] = made = StepUses(spec)
            self.steps.append(made)
        return self._by_spec[id(spec)]

    def _modules(self, one: Found, context: _Context) -> None:
        if context.step is not None and one.role != "method":
            context.step.modules.update(modules_of(one.value))

    def _is_users(self, fn: AnyFunction) -> bool:
        """Whether a function belongs to the program: neither Surefoot's nor a library's."""
        name = (fn.__module__ or "").split(".")[0]
        if name in (self._home, "__main__"):
            return True
        if name == _OURS or name in sys.stdlib_module_names:
            return False
        file = PurePath(fn.__code__.co_filename)
        return not any(file.is_relative_to(folder) for folder in _LIBRARIES)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _line_of(value: Any) -> int:
    return next((fn.__code__.co_firstlineno for fn, _ in functions_of(value)), 0)


def _worth_following(one: Found) -> bool:
    return (
        one.step is not None
        or one.workflow is not None
        or one.role == "instance"
        or isinstance(one.value, (FunctionType, type))
    )


def _takes_self(fn: AnyFunction) -> bool:
    """Whether a function of a class's body is called with the object (or the class) first."""
    owner = owner_of(fn)
    if owner is None:
        return False
    raw: Any = static(owner, fn.__name__)
    return not isinstance(raw, staticmethod) and not type(raw).__name__.startswith("Static")


def _options(node: ast.Call | None) -> tuple[tuple[str, str], ...]:
    """The options of a map, as the code has them."""
    if node is None:
        return ()
    return tuple(
        (one.arg, ast.unparse(one.value))
        for one in node.keywords
        if one.arg in ("workers", "on_failure", "max_failure_ratio", "item_id")
    )


def _generators_first(node: ast.AST) -> bool:
    """A comprehension's ``for`` runs before what it makes."""
    return not isinstance(node, ast.comprehension)


FILE_FUNCTIONS = frozenset(("walk", "fwalk", "makedirs", "removedirs", "renames", "fdopen"))


NO_FILES = frozenset(("getpid", "getppid", "urandom", "cpu_count", "fspath", "getuid", "strerror"))


def modules_of(value: Any) -> Iterator[str]:
    """The names of the modules that an object is from: its own, its class's.

    >>> import pathlib
    >>> [name.split(".")[0] for name in modules_of(pathlib.Path)], list(modules_of(sys))
    (['pathlib'], ['sys'])
    """
    if isinstance(value, ModuleType):
        yield value.__name__
        return
    if isinstance(value, FunctionType) and value.__module__ == "os":
        if value.__name__ in FILE_FUNCTIONS:
            yield os.name  # posix or nt, where the other functions of os that reach the disk are from
        return
    plain = isinstance(value, (type, FunctionType, BuiltinFunctionType))
    if isinstance(value, BuiltinFunctionType) and value.__name__ in NO_FILES:
        return
    name = value.__module__ if plain else static(value, "__module__", type(value).__module__)
    if isinstance(name, str) and name != "builtins":
        yield name


_LIBRARIES = tuple(
    sorted(
        {
            PurePath(sysconfig.get_path(name))
            for name in ("stdlib", "platstdlib", "purelib", "platlib")
        }
    )
)
_OURS = __name__.split(".")[0]
