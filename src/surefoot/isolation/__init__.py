"""Running a step's body apart from its caller: in a thread that can be abandoned, or in a child
process that can be killed.

``threads`` bounds a call in time. ``pool`` keeps warm child processes; ``child`` is one of them as
its parent sees it, ``jobs`` the conversation with it while a body runs there, ``worker`` what runs
inside of it. ``wire`` is what goes through the pipes between the two, ``exceptions`` how an exception
comes through whole, and ``target`` how the child finds a function.
"""

from .target import Target, target_of
from .threads import run_bounded

# not .pool: processes, pipes and files are for the few runs that have an isolated step
__all__ = ["Target", "run_bounded", "target_of"]
