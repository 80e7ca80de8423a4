"""A pretended GPU: it has a budget of memory, and refuses what does not fit. And it counts.

There is no GPU behind it and no model on it; what is real is the arithmetic (a batch is padded to its
longest text), and the exception: ``torch.OutOfMemoryError``, where torch is installed. Where it is
not, a class of the same qualified name is made, with the text that torch writes: that is all that the
catalog's rule looks at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from surefoot.catalog.examples import build

__all__ = ["HAS_TORCH", "Counts", "Device", "out_of_memory", "value_of"]

HAS_TORCH = find_spec("torch") is not None


def out_of_memory(needed: float, total: float) -> BaseException:
    """What torch raises; ``needed`` and ``total`` are GiB.

    >>> type(out_of_memory(20.0, 16.0)).__name__
    'OutOfMemoryError'
    """
    message = (
        f"CUDA out of memory. Tried to allocate {needed:.2f} GiB. GPU 0 has a total capacity of "
        f"{total:.2f} GiB of which {total:.2f} GiB is free."
    )
    if HAS_TORCH:
        import torch

        error: BaseException = torch.OutOfMemoryError(message)
        return error
    bases = ["builtins.RuntimeError"]
    return build({"type": "torch.OutOfMemoryError", "bases": bases, "message": message})


@dataclass
class Counts:
    """Of one task: launches that ran, launches that did not fit, how often each text was computed,
    the sizes of the batches that ran, and the most memory that was in use (GiB)."""

    ran: int = 0
    refused: int = 0
    computed: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)
    peak: float = 0.0

    @property
    def repeated(self) -> int:
        """Computations beyond the first of each text."""
        return sum(self.computed.values()) - len(self.computed)


class Device:
    """``memory`` and ``weights`` are GiB, ``per_word`` is MiB."""

    def __init__(self, memory: float, weights: float, per_word: float) -> None:
        self.memory = memory
        self._weights = weights
        self._per_word = per_word
        self.tasks: dict[str, Counts] = {}

    def needs(self, texts: Sequence[str]) -> float:
        """GiB for a batch: every text takes as much as the longest one.

        >>> Device(16.0, 2.0, 1024.0).needs(["one two", "one"])
        6.0
        """
        longest = max(len(text.split()) for text in texts)
        return self._weights + len(texts) * longest * self._per_word / 1024

    def run(self, task: str, texts: Sequence[str]) -> list[int]:
        """Compute a batch: one number for each text.

        :raises torch.OutOfMemoryError: it does not fit. Nothing was computed then.
        """
        counts = self.tasks.setdefault(task, Counts())
        needed = self.needs(texts)
        if needed > self.memory:
            counts.refused += 1
            raise out_of_memory(needed, self.memory)
        counts.ran += 1
        counts.peak = max(counts.peak, needed)
        counts.sizes.append(len(texts))
        counts.computed.update(texts)
        return [value_of(text) for text in texts]


def value_of(text: str) -> int:
    """What the pretended model says of a text.

    >>> value_of("lamp")
    1
    """
    return sum(text.count(vowel) for vowel in "aeiou")
