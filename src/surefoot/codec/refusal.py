"""How a value that cannot be saved, or a checkpoint that cannot be read, is told."""

from __future__ import annotations

from surefoot.errors import CheckpointDamaged, UnsavableError

__all__ = ["Refused", "damaged", "shown", "unsavable"]


class Refused(Exception):
    """Internal: this value cannot be saved. The path is put together on the way out."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.path = ""

    def inside(self, part: str) -> Refused:
        """One level further out: ``part`` led here, such as ``[3]`` or ``.client``."""
        self.path = part + self.path
        return self


def unsavable(refused: Refused, where: str, root: str) -> UnsavableError:
    """The error that a user sees, with the way into the value and the two ways out."""
    return UnsavableError(
        f"{where}: {root}{refused.path} {refused.why}. Return something that can be saved (plain "
        "data, a dataclass, a model, an array, a data frame), or set `checkpoint=False` and the "
        "step runs again on a resume"
    )


def damaged(what: str) -> CheckpointDamaged:
    """The bytes are whole, and yet they do not give the value back."""
    return CheckpointDamaged(f"a checkpoint cannot be read: {what}")


def shown(value: object, longest: int = 40) -> str:
    """``repr(value)``, cut to ``longest`` characters, for messages; never fails.

    >>> shown("short"), shown("x" * 50, longest=12), shown(10**9999)
    ("'short'", "'xxxxxxxx...", '<int>')
    """
    try:
        text = repr(value)
    except Exception:  # somebody's own __repr__, an integer of thousands of digits
        return f"<{type(value).__qualname__}>"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
