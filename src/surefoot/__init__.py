"""Surefoot: error handling and recovery for AI workflows.

Mark functions as steps and effects, call them in a workflow; Surefoot knows each failure, decides
what to do about it, remembers all of it, and resumes from where the work stopped.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .context import carry
from .errors import SurefootError, WorkflowCriticalError, WorkflowRetryError
from .execution.cost import spend
from .execution.effects import idempotency_key
from .execution.output import no_nan
from .execution.spec import Happened, NotHappened
from .model import Classification
from .policy import grow, halve, last_error, on, split, truncate
from .runtime import Runtime, classify, hide, scrub
from .workflow.batch import Batch, Outcome
from .workflow.current import Current, current
from .workflow.run import Run
from .workflow.step import Effect, Step, effect, step
from .workflow.workflow import Workflow, workflow

if TYPE_CHECKING:
    from . import logs as logs

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Classification",
    "Current",
    "Effect",
    "Happened",
    "NotHappened",
    "Outcome",
    "Run",
    "Runtime",
    "Step",
    "SurefootError",
    "Workflow",
    "WorkflowCriticalError",
    "WorkflowRetryError",
    "carry",
    "classify",
    "current",
    "effect",
    "grow",
    "halve",
    "hide",
    "idempotency_key",
    "last_error",
    "no_nan",
    "on",
    "scrub",
    "spend",
    "split",
    "step",
    "truncate",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """``surefoot.logs`` without an import of its own, when it is first asked for."""
    if name == "logs":
        import importlib

        return importlib.import_module(f"{__name__}.logs")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(ModuleType):
    """Importing the submodules ``classify`` and ``scrub`` would put them in the place of the
    functions of the same names; the import system sets them as attributes of this package."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
