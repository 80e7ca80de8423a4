"""What was scrubbed, without the digits that differ from journal to journal."""

from __future__ import annotations

import re

MARK = re.compile(r"\[([a-z0-9][a-z0-9 .&/+-]*) [0-9a-f]{6}\]")


def unmarked(text: str) -> str:
    """``[secret 3f9a1c]`` is ``[secret]``."""
    return MARK.sub(r"[\1]", text)
