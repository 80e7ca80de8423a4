"""Exceptions from one process to another, whole: class, arguments, attributes, chain, notes, stack.

The record of :mod:`surefoot.codec.exceptions` carries what is plain; no ``__init__`` and no
``__reduce__`` of anybody runs to make the exception again. What is not plain (a response, an array)
follows pickled, one attribute at a time, and is left out where it cannot be. The traceback is made
again from stand-ins for the child's frames, so that it prints, and counts for the fingerprint, as if
it had happened here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from types import FrameType, ModuleType, TracebackType
from typing import Any

from ..codec.exceptions import restore_exception, save_exception
from . import wire

__all__ = [
    "Extras",
    "Record",
    "Stack",
    "crash_stack",
    "extras_of",
    "pack",
    "traceback_of",
    "unpack",
]

STACK = 200
"""Frames of one traceback that are carried, the innermost ones."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_OWN = (_HERE, os.path.join(os.path.dirname(_HERE), "execution", "isolated.py"))
_SKIPPED = ("__notes__",)

Record = dict[str, Any]
Extras = list[dict[str, bytes]]
Stack = list[tuple[str, int, str, str]]
"""(file, line, function, module) of frames, the outermost first."""

_CRASHED_AT = re.compile(r'^ *File "(.+)", line (\d+) in (.+)$', re.MULTILINE)


def pack(exc: BaseException) -> Record:
    """What is plain of ``exc`` and of its chain, with the stacks."""
    record = save_exception(exc)
    for one, part in _pairs(exc, record):
        part["type"] = _renamed(part["type"])
        part["mro"] = [_renamed(name) for name in part["mro"]]
        part["stack"] = _stack(one.__traceback__)
        part["same"] = one.__cause__ is not None and one.__context__ is one.__cause__
    return record


def extras_of(exc: BaseException, record: Record) -> Extras:
    """What the record of :func:`pack` does not hold, pickled by name: code of users may run here."""
    found = []
    for one, part in _pairs(exc, record):
        extra = {}
        wanted = {
            name: value
            for name, value in vars(one).items()
            if name not in part["attrs"] and name not in _SKIPPED
        }
        if part["args"] is None:
            wanted["args"] = tuple(one.args)
        for name, value in wanted.items():
            try:
                extra[name] = wire.dumps(value)
            except Exception:  # a lock, a socket: the exception does without it
                continue
        found.append(extra)
    return found


def unpack(record: Record, extras: Extras | None, main: ModuleType) -> BaseException:
    """The exception, to be raised here."""
    exc = restore_exception(record, namespace=vars(main))
    parts: list[Mapping[str, bytes]] = list(extras or ())
    for number, (one, part) in enumerate(_pairs(exc, record)):
        for name, data in (parts[number] if number < len(parts) else {}).items():
            try:
                value = wire.loads(data, lambda: main)
                if name == "args":
                    BaseException.__setattr__(one, "args", value)
                else:
                    vars(one)[name] = value
            except Exception:  # it does not come alive here: the exception does without it
                continue
        try:
            BaseException.__setattr__(one, "__traceback__", traceback_of(part["stack"]))
            if part["same"]:  # as after `raise … from exc` in its handler
                BaseException.__setattr__(one, "__context__", one.__cause__)
        except Exception:  # one that refuses attributes goes without its stack
            continue
    return exc


def _pairs(exc: BaseException, record: Record) -> Iterator[tuple[BaseException, Record]]:
    """Each exception of a chain beside its record, in one order on both sides."""
    yield exc, record
    for key in ("cause", "context"):
        other = getattr(exc, f"__{key}__")
        if key in record and isinstance(other, BaseException):
            yield from _pairs(other, record[key])
    members = getattr(exc, "exceptions", ())
    for one, part in zip(members, record.get("group", ())):
        yield from _pairs(one, part)


def _renamed(name: str) -> str:
    return name.replace("__mp_main__:", "__main__:", 1)


def _stack(traceback: TracebackType | None) -> Stack:
    """(file, line, function, module) of each frame, outermost first; none of Surefoot's at its start."""
    frames: Stack = []
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        if frames or not code.co_filename.startswith(_OWN):
            name = getattr(code, "co_qualname", code.co_name)  # co_qualname: from 3.11
            module = str(frame.f_globals.get("__name__", ""))
            module = "__main__" if module == "__mp_main__" else module
            frames.append((code.co_filename, traceback.tb_lineno, name, module))
        traceback = traceback.tb_next
    return frames[-STACK:]


def crash_stack(trace: str) -> Stack:
    """Where a process crashed, by what :mod:`faulthandler` wrote: innermost first, without modules.

    >>> crash_stack('Stack:\\n  File "a.py", line 3 in g\\n  File "a.py", line 9 in f\\n')
    [('a.py', 9, 'f', '__main__'), ('a.py', 3, 'g', '__main__')]
    """
    stack: Stack = []
    for file, line, name in _CRASHED_AT.findall(trace):
        if file.startswith(_OWN):
            break
        stack.insert(0, (file, int(line), name, "__main__"))
    return stack


def traceback_of(stack: Stack) -> TracebackType | None:
    """A traceback of stand-ins, which prints like the one that was told of."""
    made: TracebackType | None = None
    for file, line, name, module in reversed(stack):
        frame, last = _stand_in(file, line, name, module)
        made = TracebackType(made, frame, last, line)
    return made


def _stand_in(file: str, line: int, name: str, module: str) -> tuple[FrameType, int]:
    """A frame that says it is at ``line`` of ``file``: code that does nothing but fail, renamed."""
    code = compile("1/0", file, "exec")
    code = code.replace(co_name=name.rpartition(".")[2], co_firstlineno=line)
    if sys.version_info >= (3, 11):
        # entries without a position (Objects/locations.md, code 15): else columns of the stand-in
        # would be underlined in the source's own line
        units = len(code.co_code) // 2
        sizes = [min(8, units - start) for start in range(0, units, 8)]
        table = bytes(0x80 | 15 << 3 | size - 1 for size in sizes)
        code = code.replace(co_qualname=name, co_linetable=table)
    try:
        exec(code, {"__name__": module, "__file__": file})
    except ZeroDivisionError as exc:
        traceback = exc.__traceback__
        assert traceback is not None and traceback.tb_next is not None
        return traceback.tb_next.tb_frame, traceback.tb_next.tb_lasti
    raise AssertionError("1/0 did not fail")
