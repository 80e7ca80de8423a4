"""What a decorator checks, so that a mistake is told when a module is imported."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..codec import Codec
from ..errors import DefinitionError
from ..execution.apart import Isolation
from ..execution.output import OutputCheck, expectations
from ..execution.spec import EffectOptions, StepSpec
from ..fingerprint.arguments import ArgumentDigester
from ..isolation import target_of
from ..model import STAGES
from ..policy import On, Policy, Split

__all__ = ["Options", "check_names", "make_spec", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something is close."""
    import difflib  # only a mistake needs it

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


@dataclass(frozen=True)
class Options:
    """The options of ``@step`` and ``@effect`` as given."""

    form: Literal["step", "effect"]
    name: str | None
    stage: Any
    resource: str | None
    timeout: float | None
    deadline: float | None
    attempts: int | None
    recover: tuple[On, ...]
    ignore: tuple[str, ...]
    checkpoint: Any
    on_doubt: Any = "halt"
    effect: EffectOptions | None = None
    returns: Any = None
    expect: Any = None
    cost: Any = None
    max_cost: float | None = None
    isolation: Any = None
    memory: int | None = None

    def changed(self, options: Mapping[str, Any]) -> Options:
        """These options with some changed.

        :raises DefinitionError: for one that does not exist.
        """
        own = {field.name for field in fields(self)} - {"form", "effect"}
        theirs = set(EffectOptions.__slots__) if self.effect is not None else set()
        if self.effect is None:
            own.discard("on_doubt")
        else:
            own -= {"checkpoint", "returns", "expect"}
        given = dict(options)
        for name in given:
            if name not in own | theirs:
                raise DefinitionError(
                    f"with_options({name}=…): @{self.form} has no such option"
                    f"{nearest(name, own | theirs)}"
                )
        for name in ("recover", "ignore", "match"):
            if given.get(name) is not None:
                given[name] = (given[name],) if isinstance(given[name], str) else tuple(given[name])
        changed = replace(self, **{k: v for k, v in given.items() if k in own})
        if self.effect is not None:
            kept = {slot: getattr(self.effect, slot) for slot in EffectOptions.__slots__}
            kept.update({k: v for k, v in given.items() if k in theirs})
            changed = replace(changed, effect=EffectOptions(**kept))
        return changed


def check_names(fn: Any, names: Iterable[str], where: str) -> None:
    """:raises DefinitionError: a name that is no argument of ``fn``; tells the nearest one."""
    parameters = inspect.signature(fn).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    for name in names:
        if name not in parameters:
            has = ", ".join(parameters) or "none"
            raise DefinitionError(
                f"{where} names {name!r}, which is no argument (it has {has})"
                f"{nearest(name, parameters)}"
            )


def make_spec(fn: Any, options: Options) -> StepSpec:
    """Check a function and its options, and keep what all calls of it need.

    :raises DefinitionError: for anything that cannot work.
    """
    what = f"@{options.form}"
    if isinstance(fn, property):
        raise DefinitionError(f"{what} goes below @property: put @property on the line above it")
    if not callable(fn) or isinstance(fn, type):
        raise DefinitionError(f"{what} is put on a function, not on {fn!r}")
    name = options.name or getattr(fn, "__qualname__", None)
    if not isinstance(name, str) or not name:
        raise DefinitionError(f"{what} cannot tell the name of {fn!r}; give it: {what}(name=…)")
    where = f"{options.form} {name}"
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise DefinitionError(
            f"{where} is a generator function, whose work happens after it has returned; "
            "return a list, or map a step over the items"
        )
    if options.stage is not None and options.stage not in STAGES:
        raise DefinitionError(
            f"{where}: stage={options.stage!r} is none of {', '.join(STAGES)}"
            f"{nearest(str(options.stage), STAGES)}"
        )
    if options.checkpoint not in (True, False, "pickle"):
        raise DefinitionError(f"{where}: checkpoint is True, False or 'pickle'")
    try:
        policy = Policy(
            attempts=options.attempts,
            timeout=options.timeout,
            deadline=options.deadline,
            recover=options.recover,
            effect=options.form == "effect",
            on_doubt=options.on_doubt,
            max_cost=options.max_cost,
        )
    except DefinitionError as exc:
        raise DefinitionError(f"{where}: {exc}") from None
    digester = ArgumentDigester(fn, ignore=options.ignore)
    if options.cost is not None and not callable(options.cost):
        raise DefinitionError(f"{where}: cost={options.cost!r} must be a function of the result")
    expect = expectations(options.expect, where)
    check = None
    if options.returns is not None or expect:
        check = OutputCheck(options.returns, expect, where)
    _check_recover(where, fn, policy)
    _check_async(where, fn, policy, options.effect)
    if options.effect is not None:
        _check_effect(where, fn, options.effect)
    return StepSpec(
        name=name,
        fn=fn,
        form=options.form,
        is_async=is_async(fn),
        policy=policy,
        stage=options.stage,
        resource=options.resource,
        checkpoint=options.checkpoint,
        digester=digester,
        codec=Codec.of(fn, where=where),
        effect=options.effect,
        check=check,
        cost=options.cost,
        isolation=_isolation(where, fn, options),
    )


def _isolation(where: str, fn: Any, options: Options) -> Isolation | None:
    memory = options.memory
    if options.isolation is None:
        if memory is not None:
            raise DefinitionError(
                f"{where}: memory={memory!r} bounds a process; give isolation='process' with it"
            )
        return None
    if options.isolation != "process":
        raise DefinitionError(f"{where}: isolation={options.isolation!r} is 'process' or None")
    if memory is not None and (
        not isinstance(memory, int) or isinstance(memory, bool) or memory <= 0
    ):
        raise DefinitionError(f"{where}: memory={memory!r} must be a whole number of bytes above 0")
    return Isolation(target_of(fn, where), memory)


def _check_recover(where: str, fn: Any, policy: Policy) -> None:
    for one in policy.recover:
        if one.adapt_rung is not None:
            check_names(fn, one.adapt_rung.adapters, f"{where}: adapt()")
            _check_split(where, one.adapt_rung.adapters, policy)
        for fallback in one.fallbacks:
            if fallback.argument is not None:
                check_names(fn, [fallback.argument], f"{where}: fall_back()")
            elif fallback.form == "function":
                name = getattr(fallback.target, "__qualname__", repr(fallback.target))
                _check_takes(where, fn, fallback.target, f"fallback {name}")


def _check_split(where: str, adapters: Mapping[str, Any], policy: Policy) -> None:
    names = [name for name, adapter in adapters.items() if isinstance(adapter, Split)]
    if names and policy.effect:
        raise DefinitionError(
            f"{where}: adapt({names[0]}=split()) would do an effect in parts, and a failure between "
            "them would leave it half done; map the effect over the parts instead"
        )
    if len(names) > 1:
        raise DefinitionError(f"{where}: adapt() can split one argument, not {' and '.join(names)}")


def _check_async(where: str, fn: Any, policy: Policy, effect: EffectOptions | None) -> None:
    """A sync step cannot await what belongs to it."""
    if is_async(fn):
        return
    asyncs = [
        f"its fallback {fallback.name}"
        for one in policy.recover
        for fallback in one.fallbacks
        if fallback.form == "function" and is_async(fallback.target)
    ]
    if effect is not None:
        helpers = {"verify": effect.verify, "compensate": effect.compensate, "key": effect.key}
        asyncs += [f"its {name}=" for name, one in helpers.items() if is_async(one)]
    if asyncs:
        raise DefinitionError(
            f"{where} is a plain function, and {asyncs[0]} is an async def, which it could not "
            "await; make both the same"
        )


def is_async(fn: Any) -> bool:
    """Whether calling it gives a coroutine."""
    inner = getattr(fn, "__wrapped__", fn)
    if inspect.iscoroutinefunction(inner):
        return True
    if inspect.isroutine(inner) or isinstance(inner, type):
        return False
    return inspect.iscoroutinefunction(type(inner).__call__)


def _check_takes(where: str, fn: Any, target: Callable[..., Any], what: str) -> None:
    """A fallback, or a ``verify``, gets the same arguments: it must be able to take them."""
    try:
        theirs = inspect.signature(target)
        ours = inspect.signature(fn)
    except (TypeError, ValueError):  # a builtin without a signature: the call will tell
        return
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in ours.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = None
        else:
            args.append(None)
    try:
        theirs.bind(*args, **kwargs)
    except TypeError as exc:
        raise DefinitionError(
            f"{where}: its {what}{theirs} cannot take the same arguments {ours}: {exc}"
        ) from None


def _check_compensate(where: str, fn: Any, compensate: Callable[..., Any]) -> None:
    """After the result it gets those of the effect's arguments that it names: a rollback is too late
    to find out that there is none of that name."""
    try:
        parameters = list(inspect.signature(compensate).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature: the call will tell
        return
    if not parameters or parameters[0].kind in (
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    ):
        raise DefinitionError(f"{where}: its compensate= cannot take the result: def undo(result)")
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        one.name
        for one in parameters[1:]
        if one.default is one.empty and one.kind not in any_number
    ]
    check_names(fn, needed, f"{where}: compensate=")


def _check_effect(where: str, fn: Any, effect: EffectOptions) -> None:
    for name in ("key", "verify", "compensate"):
        helper = getattr(effect, name)
        if helper is not None and not callable(helper):
            raise DefinitionError(f"{where}: {name}={helper!r} must be a function")
    if effect.verify is not None:
        _check_takes(where, fn, effect.verify, "verify")
    if effect.compensate is not None:
        _check_compensate(where, fn, effect.compensate)
    if effect.match is not None:
        check_names(fn, effect.match, f"{where}: match=")
    if effect.key is not None:
        code = getattr(effect.key, "__code__", None)
        if code is not None:
            count = code.co_argcount + code.co_kwonlyargcount
            check_names(fn, code.co_varnames[:count], f"{where}: key=")
    settle = effect.settle
    if settle is not None and (isinstance(settle, bool) or not settle >= 0):
        raise DefinitionError(f"{where}: settle={settle!r} must be seconds")
