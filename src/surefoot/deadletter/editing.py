"""A letter's input, changed: by ``--set``, in an editor, or from code.

People see and write plain JSON. What they leave as it is keeps its very value and type; what they
change is converted to what the step's annotations ask for.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..codec import convert, convert_text, hints
from ..codec.untagged import untagged
from ..errors import InputError, UsageError
from ..execution.kept import WHOLE, codecs_of, restore, restored, trees
from ..execution.spec import StepSpec
from ..scrub import Hidden, Scrubber

__all__ = ["Changes", "edited", "hide", "shown_input"]

Changes = Mapping[str, Any]
"""Arguments by name, as the step takes them."""


def shown_input(data: bytes) -> dict[str, Any]:
    """A letter's arguments as plain JSON; with their secrets."""
    return {name: _plain(tree) for name, tree in trees(data).items()}


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict) and WHOLE in tree:
        return f"<{tree[WHOLE]}, {len(tree['base64']) * 3 // 4:,} bytes>"
    return untagged(tree)


def edited(
    data: bytes | None,
    spec: StepSpec,
    *,
    sets: Iterable[str] = (),
    edit: Callable[[str], str] | None = None,
    scrubber: Scrubber | None = None,
) -> dict[str, Any]:
    """The arguments that a letter is replayed with, by name.

    :param sets: ``field=value``; the field may be a dotted path, as ``ticket.text`` or ``items.0``.
    :param edit: shows a text of JSON to a person and gives back what became of it.
    :param scrubber: what hides secrets from the person; None is one without settings.
    :raises InputError: a field that is not there, a value that does not fit.
    """
    told = trees(data) if data is not None else {}
    plain = {name: _plain(tree) for name, tree in told.items()}
    types: Mapping[str, Any] = hints(spec.fn)
    new = copy.deepcopy(plain)
    texts: dict[str, str] = {}
    if edit is not None:
        new = _by_hand(new, edit, scrubber)
    for one in sets:
        path, equals, text = one.partition("=")
        if not equals or not path:
            raise UsageError(f"--set {one!r} must be field=value, as --set ticket.text=Hello")
        _set(new, path, text, texts)
    _check_names(spec, new)
    gone = sorted(name for name in told.keys() - new.keys() if name not in spec.digester.defaults)
    if gone:
        raise InputError(f"{spec.where} needs {gone[0]!r}, which is gone from the input")
    given = restore(data, spec.fn) if data is not None else {}
    codec = codecs_of(spec.fn)
    made = {}
    for name, value in new.items():
        if name in told and value == plain[name]:
            made[name] = given[name]
        elif name in texts:
            made[name] = _from_text(texts[name], types.get(name), name)
        elif name in types:
            made[name] = convert(value, types[name], name=name)
        else:
            tree = _graft(told[name], value) if name in told else value
            made[name] = restored(codec(name), tree)
    return made


def _from_text(text: str, annotation: Any, name: str) -> Any:
    return convert_text(text, Any if annotation is None else annotation, name=name)


def _check_names(spec: StepSpec, new: Mapping[str, Any]) -> None:
    from difflib import get_close_matches

    names = spec.digester.names
    for name in new:
        if name.lstrip("*") not in names and not spec.digester.takes_more:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
            raise InputError(f"{spec.where} has no argument {name!r}; {hint}")


# -- --set ----------------------------------------------------------------------------------------


def _set(plain: dict[str, Any], path: str, text: str, texts: dict[str, str]) -> None:
    """Put a value in its place. One that stands for a whole argument is read by its annotation."""
    first, *rest = path.split(".")
    if not rest:
        texts[first] = text
        # unlike anything that was there, so that it counts as changed
        plain[first] = _Changed()
        return
    texts.pop(first, None)
    if first not in plain or isinstance(plain[first], _Changed):
        raise InputError(f"--set {path}: there is no {first!r} in the input; see it with: show")
    at: Any = plain[first]
    for number, part in enumerate(rest[:-1]):
        at = _step_into(at, part, ".".join((first, *rest[:number])), path)
    _put(at, rest[-1], text, ".".join((first, *rest[:-1])), path)


class _Changed:
    """Equal to nothing else."""


def _step_into(at: Any, part: str, where: str, path: str) -> Any:
    try:
        if isinstance(at, list):
            return at[int(part)]
        if isinstance(at, dict):
            return at[part]
    except (KeyError, IndexError, ValueError):
        pass
    raise InputError(f"--set {path}: {where} has no {part!r}{_has(at)}")


def _put(at: Any, part: str, text: str, where: str, path: str) -> None:
    if isinstance(at, list):
        try:
            number = int(part)
            at[number] = _value(text, at[number])
            return
        except (ValueError, IndexError):
            raise InputError(f"--set {path}: {where} has no {part!r}{_has(at)}") from None
    if not isinstance(at, dict):
        raise InputError(f"--set {path}: {where} has no {part!r}{_has(at)}")
    at[part] = _value(text, at.get(part))


def _has(at: Any) -> str:
    if isinstance(at, dict):
        return f"; it has {', '.join(sorted(at))}" if at else ""
    return f"; it has 0 to {len(at) - 1}" if isinstance(at, list) and at else ""


def _value(text: str, before: Any) -> Any:
    """JSON, or the text itself; a text stays one: ``--set ticket.code=007``."""
    if isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


# -- --edit ---------------------------------------------------------------------------------------


def _by_hand(
    plain: dict[str, Any], edit: Callable[[str], str], scrubber: Scrubber | None
) -> dict[str, Any]:
    shown, hidden = hide(plain, scrubber)
    text = edit(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    try:
        new = json.loads(text)
    except ValueError as exc:
        raise InputError(
            f"what was edited is no JSON any more: {exc}; nothing was replayed"
        ) from exc
    if not isinstance(new, dict):
        raise InputError("what was edited must stay an object of arguments; nothing was replayed")
    found: dict[str, Any] = hidden.put_back(new)
    return found


def hide(plain: Any, scrubber: Scrubber | None = None) -> tuple[Any, Hidden]:
    """Plain JSON with placeholders for its secrets, and what puts them back."""
    hidden = Hidden.beside(json.dumps(plain, ensure_ascii=False))
    return _hidden(plain, hidden, dataclasses.replace(scrubber or Scrubber(), key=hidden)), hidden


def _hidden(value: Any, hidden: Hidden, scrubber: Scrubber) -> Any:
    if isinstance(value, dict):
        return {
            name: hidden.instead_of("secret", part)
            if scrubber.secret_name(name) and part not in (None, "", True, False)
            else _hidden(part, hidden, scrubber)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_hidden(part, hidden, scrubber) for part in value]
    if not isinstance(value, str):
        return value
    told = scrubber.text(value)
    # what was cut, or could not be scrubbed, is hidden as a whole
    return told if hidden.put_back(told) == value else hidden.instead_of("text", value)


# -- types ----------------------------------------------------------------------------------------


def _graft(tree: Any, new: Any) -> Any:
    """The new plain value with the tags of the old one, as far as they are of one shape."""
    if _plain(tree) == new:
        return tree
    if isinstance(tree, dict) and "$" in tree:
        if "v" not in tree or type(untagged(tree)) is not type(new):
            return new
        inner = tree["v"]
        if isinstance(new, dict) and isinstance(inner, list):  # a mapping, as pairs
            keys = {str(untagged(key)): (key, part) for key, part in inner}
            pairs = [
                [keys[name][0], _graft(keys[name][1], part)] if name in keys else [name, part]
                for name, part in new.items()
            ]
            return {**tree, "v": pairs}
        return {**tree, "v": _graft(inner, new)}
    if isinstance(tree, dict) and isinstance(new, dict):
        return {
            name: _graft(tree[name], part) if name in tree else part for name, part in new.items()
        }
    if isinstance(tree, list) and isinstance(new, list):
        return [_graft(tree[n], part) if n < len(tree) else part for n, part in enumerate(new)]
    return new
