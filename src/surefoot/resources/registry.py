"""All resources of a process, by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from .options import ResourceOptions
from .resource import Resource

__all__ = ["Resources"]


class Resources:
    """Resources are made when their name is first used.

    >>> Resources({}).get("openai").name
    'openai'
    """

    def __init__(self, options: Mapping[str, ResourceOptions]) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._made: dict[str, Resource] = {}

    def get(self, name: str) -> Resource:
        found = self._made.get(name)
        if found is None:
            with self._lock:
                found = self._made.get(name)
                if found is None:
                    options = self._options.get(name) or ResourceOptions()
                    found = self._made[name] = Resource(name, options)
        return found

    def known(self) -> list[Resource]:
        """Those that were used."""
        with self._lock:
            return list(self._made.values())
