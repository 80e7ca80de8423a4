"""A runtime on a real journal in a folder of its own; only time is played."""

from __future__ import annotations

from tests.support.played import clock, journal_path, make_runtime, runtime

__all__ = ["clock", "journal_path", "make_runtime", "runtime"]
