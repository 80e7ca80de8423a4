"""A workflow's input as the journal keeps it, and as it comes from the command line."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from ..codec import Codec, hints
from ..codec.untagged import untagged
from ..errors import CheckpointDamaged, InputError, UnsavableError

__all__ = ["from_json", "load_input", "save_input", "show_input"]


def save_input(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], where: str
) -> tuple[bytes, str]:
    """The bound arguments as bytes, and their digest. Fails before anything runs.

    :raises InputError: an argument cannot be saved. :raises TypeError: the arguments do not fit, as
        Python itself says.
    """
    bound = inspect.signature(fn).bind(*args, **kwargs)
    kinds = inspect.signature(fn).parameters
    types = hints(fn)
    kept: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        single = kinds[name].kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        annotation = types.get(name) if single else None
        try:
            encoded = Codec(annotation, where=where, root=name).encode(value)
        except UnsavableError as exc:
            raise InputError(
                f"{where}: its argument {name!r} cannot be saved, so a resume could not repeat it: "
                f"{exc}"
            ) from exc
        if encoded.format == "json":
            kept[name] = {"json": json.loads(encoded.data.decode("utf-8", "surrogatepass"))}
        else:
            kept[name] = {
                "format": encoded.format,
                "base64": base64.b64encode(encoded.data).decode("ascii"),
            }
    data = json.dumps(kept, separators=(",", ":")).encode("utf-8", "surrogatepass")
    told = json.dumps(kept, separators=(",", ":"), sort_keys=True)
    digest = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return data, digest


def load_input(
    fn: Callable[..., Any], data: bytes, where: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a recorded run.

    :raises InputError: the workflow has changed so that they do not fit it any more.
    """
    kept: dict[str, Any] = json.loads(data)
    types = hints(fn)
    parameters = inspect.signature(fn).parameters
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    positional = True
    for name, told in kept.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise InputError(
                f"{where} was started with an argument {name!r}, which it does not take any more; "
                "give it back, with a default, and resume again"
            )
        starred = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        codec = Codec(None if starred else types.get(name), where=where, root=name)
        try:
            value = _decoded(codec, told)
        except CheckpointDamaged as exc:
            raise InputError(f"{where}: its recorded argument {name!r}: {exc}") from exc
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(value)
        elif parameter.kind is parameter.KEYWORD_ONLY or not positional:
            kwargs[name] = value
        elif list(parameters)[len(args)] == name:
            args.append(value)
        else:
            positional = False
            kwargs[name] = value
    return tuple(args), kwargs


def _decoded(codec: Codec, told: Mapping[str, Any]) -> Any:
    if "json" in told:
        data = json.dumps(told["json"], ensure_ascii=False, separators=(",", ":"))
        return codec.decode("json", data.encode("utf-8", "surrogatepass"))
    return codec.decode(told["format"], base64.b64decode(told["base64"]))


def show_input(data: bytes) -> dict[str, Any]:
    """A recorded input for people: plain JSON, with a word where it is something else."""
    return {
        name: untagged(told["json"]) if "json" in told else f"<{told['format']}>"
        for name, told in json.loads(data).items()
    }


def from_json(
    fn: Callable[..., Any], text: str | None, named: Mapping[str, str], where: str
) -> dict[str, Any]:
    """Keyword arguments from ``--input`` and ``--arg name=value``.

    ``text`` is the argument of a workflow that takes one, or an object of keyword arguments where it
    takes several. A value of ``named`` is JSON if it can be read so, else the text itself.

    :raises InputError: bad JSON, an unknown argument, a value that does not fit its type.
    """
    parameters = {
        name: one
        for name, one in inspect.signature(fn).parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    types = hints(fn)
    given: dict[str, Any] = {}
    if text is not None:
        try:
            value = json.loads(text)
        except ValueError as exc:
            raise InputError(
                f"--input is not JSON: {exc}. A text needs its own quotation marks: "
                "--input '\"tickets.jsonl\"'"
            ) from exc
        given = _spread(value, parameters, where)
    for name, word in named.items():
        try:
            given[name] = json.loads(word)
        except ValueError:
            given[name] = word
    return _converted(given, parameters, types, where)


def _spread(value: Any, parameters: Mapping[str, Any], where: str) -> dict[str, Any]:
    if len(parameters) == 1:
        return {next(iter(parameters)): value}
    if not parameters:
        raise InputError(f"{where} takes no input")
    if not isinstance(value, dict):
        names = ", ".join(parameters)
        raise InputError(
            f"{where} takes several arguments ({names}): --input must be an object of them, as "
            f"--input '{{\"{next(iter(parameters))}\": …}}'"
        )
    return dict(value)


def _converted(
    given: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
    types: Mapping[str, Any],
    where: str,
) -> dict[str, Any]:
    from .checks import nearest

    for name in given:
        if name not in parameters:
            has = ", ".join(parameters) or "none"
            raise InputError(
                f"{where} has no argument {name!r} (it has {has}){nearest(name, parameters)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in given:
            raise InputError(f"{where} needs {name!r}: give it with --input or --arg {name}=…")
    from ..codec import convert

    return {
        name: convert(value, types[name], name=name) if name in types else value
        for name, value in given.items()
    }
