"""Dead letters: what was set aside is held, changed where that helps, and replayed in its run."""

from .editing import Changes, edited, shown_input
from .many import Pause, plan
from .replaying import Replay, Replaying, replayable

__all__ = [
    "Changes",
    "Pause",
    "Replay",
    "Replaying",
    "edited",
    "plan",
    "replayable",
    "shown_input",
]
