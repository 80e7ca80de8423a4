"""Faults on purpose, and the proof that a workflow recovers from them."""

from __future__ import annotations

from .actions import Delay, Exit, Kill, Raise, Return
from .fault import (
    Fault,
    clock_jump,
    crash,
    delay,
    exit_process,
    fault,
    out_of_memory,
    pause,
    raises,
    system_fault,
    value_fault,
)
from .firings import Firing, Firings
from .http import http_answer, http_fault
from .injector import Injector
from .places import SEAMS, Place
from .scripts import Script, always, fail, nth, sometimes, when

__all__ = [
    "SEAMS",
    "Delay",
    "Exit",
    "Fault",
    "Firing",
    "Firings",
    "Injector",
    "Kill",
    "Place",
    "Raise",
    "Return",
    "Script",
    "always",
    "clock_jump",
    "crash",
    "delay",
    "exit_process",
    "fail",
    "fault",
    "http_answer",
    "http_fault",
    "nth",
    "out_of_memory",
    "pause",
    "raises",
    "sometimes",
    "system_fault",
    "value_fault",
    "when",
]
