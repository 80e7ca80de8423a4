"""What a store does around a fork, for as long as it lives."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["around_forks"]


def around_forks(store: Any) -> None:
    """Have ``_before_fork``, ``_after_fork_in_parent`` and ``_after_fork_in_child`` of a store called
    around each fork. It is not kept alive for that."""
    ref = weakref.ref(store)

    def call(name: str) -> Callable[[], None]:
        def hook() -> None:
            there = ref()
            if there is not None:
                getattr(there, name)()

        return hook

    os.register_at_fork(
        before=call("_before_fork"),
        after_in_parent=call("_after_fork_in_parent"),
        after_in_child=call("_after_fork_in_child"),
    )
