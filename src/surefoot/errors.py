"""The exceptions that Surefoot raises, as a tree.

::

    SurefootError
     ├── WorkflowRetryError         a user's code says: try this step again
     ├── WorkflowCriticalError      a user's code says: stop, a person must act
     ├── UsageError                 exit code 2: something was asked for wrongly
     │    ├── DefinitionError       a step, effect or workflow is declared wrongly
     │    ├── ConfigError           a configuration file or variable is wrong; names the place
     │    ├── InputError            a workflow's input is wrong, or differs from the recorded one
     │    ├── UnknownRun
     │    └── UnknownStep
     ├── JournalError               exit code 3: the journal cannot be used
     │    ├── JournalTooNew         written by a newer Surefoot
     │    └── NotAJournal           the file is something else
     ├── RunLocked                  exit code 4: another process holds the run
     ├── UnsavableError             an argument or a result that cannot be saved
     ├── CheckpointDamaged          a checkpoint does not match its digest
     ├── ResumeDrift                an effect is called with other arguments than the recorded ones
     ├── KeyConflict                one idempotency key is used with different arguments
     ├── InDoubt                    an effect began, and nobody knows whether it happened
     ├── ProcessCrashed             the process died again and again without a new checkpoint
     ├── UnexpectedOutput           a step's output is not what its returns= or expect= asks for
     ├── BudgetExceeded             a run has cost as much as its max_cost
     ├── CircuitOpen                a resource is known to be down: not even tried
     ├── MapHalted                  too many items of a map failed
     ├── ReplayedFailure            stands in for a recorded exception whose class cannot be made
     ├── StepTimeout (TimeoutError) an attempt took longer than its ``timeout``
     ├── StepDied                   the process of an isolated step ended in the middle of an attempt
     │    ├── StepKilled            from outside: the out-of-memory killer, a person, a supervisor
     │    └── StepCrashed           by itself: a segmentation fault, an abort, ``os._exit``
     └── StepOutOfMemory (MemoryError)  an isolated step needed more than its ``memory``

    RunCancelled (BaseException)    someone asked the run to stop; `except Exception` lets it pass
    RunInterrupted (BaseException)  the process was asked to end (SIGTERM); the run can be resumed

Each message says what the next move is.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "BudgetExceeded",
    "CheckpointDamaged",
    "CircuitOpen",
    "ConfigError",
    "DefinitionError",
    "InDoubt",
    "InputError",
    "JournalError",
    "JournalTooNew",
    "KeyConflict",
    "MapHalted",
    "NotAJournal",
    "ProcessCrashed",
    "ReplayedFailure",
    "ResumeDrift",
    "RunCancelled",
    "RunInterrupted",
    "RunLocked",
    "StepCrashed",
    "StepDied",
    "StepKilled",
    "StepOutOfMemory",
    "StepTimeout",
    "SurefootError",
    "UnexpectedOutput",
    "UnknownRun",
    "UnknownStep",
    "UnsavableError",
    "UsageError",
    "WorkflowCriticalError",
    "WorkflowRetryError",
]


class SurefootError(Exception):
    """Base of all that Surefoot raises by itself."""

    exit_code = 1


class WorkflowRetryError(SurefootError):
    """Raise it in a step to say: this may succeed if it is tried again.

    :param retry_after: seconds to wait before the next attempt; None leaves it to the back-off.

    >>> raise WorkflowRetryError("the export is not ready", retry_after=30)
    Traceback (most recent call last):
    surefoot.errors.WorkflowRetryError: the export is not ready
    """

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WorkflowCriticalError(SurefootError):
    """Raise it in a step to say: stop the run, a person must act first. Nothing retries it.

    >>> raise WorkflowCriticalError("the contract with the provider has ended")
    Traceback (most recent call last):
    surefoot.errors.WorkflowCriticalError: the contract with the provider has ended
    """


class UsageError(SurefootError):
    exit_code = 2


class DefinitionError(UsageError):
    """A decorator was given something that cannot work."""


class ConfigError(UsageError):
    """A key or a value in a configuration file or a ``SUREFOOT_*`` variable is wrong."""


class InputError(UsageError):
    """The input of a run is wrong, or differs from the one that the run was started with."""


class UnknownRun(UsageError):
    """There is no run of this id in the journal."""


class UnknownStep(UsageError):
    """The run has no call of this name or id."""


class JournalError(SurefootError):
    """The journal cannot be read or written. What was committed before is safe."""

    exit_code = 3


class JournalTooNew(JournalError):
    """The journal's schema is newer than this version of Surefoot knows."""


class NotAJournal(JournalError):
    """The file exists and is not a Surefoot journal."""


class RunLocked(SurefootError):
    """Another process holds the run, or took it over meanwhile."""

    exit_code = 4


class UnsavableError(SurefootError):
    """A value cannot be saved or read as an argument; the message names the ways out."""


class CheckpointDamaged(SurefootError):
    """A checkpoint's bytes do not match the digest that was recorded with them."""


class ResumeDrift(SurefootError):
    """On resume an effect without a key is called with other arguments than the recorded ones."""


class KeyConflict(SurefootError):
    """An idempotency key came back with other arguments than it was first used with."""


class InDoubt(SurefootError):
    """An effect began and its end is not known; doing it again could do it twice."""


class ProcessCrashed(SurefootError):
    """The run was taken over again and again without one new checkpoint."""


class UnexpectedOutput(SurefootError):
    """A step's output is not what its ``returns=`` or ``expect=`` asks for.

    ``kind`` is what that makes of it: ``unexpected_output``, ``malformed_output``,
    ``output_truncated`` or ``numerical_error``.
    """

    def __init__(self, message: str = "", kind: str = "unexpected_output") -> None:
        super().__init__(message)
        self.kind = kind


class BudgetExceeded(SurefootError):
    """A run, or a call in parts, has cost as much as its ``max_cost``: no further attempt is begun."""


class CircuitOpen(SurefootError):
    """Too many calls of a resource failed: it is left alone until ``retry_after`` seconds are over."""

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MapHalted(SurefootError):
    """More items of a map failed than ``max_failure_ratio`` allows."""


class ReplayedFailure(SurefootError):
    """Stands in for a recorded exception whose class cannot be imported any more."""


class StepTimeout(SurefootError, TimeoutError):
    """An attempt took longer than its ``timeout`` (seconds).

    ``running()`` tells whether a body that could not be interrupted still runs.
    """

    def __init__(
        self,
        message: str = "",
        timeout: float | None = None,
        running: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(message)
        self.timeout = timeout
        self._running = running

    def running(self) -> bool:
        return self._running is not None and self._running()


class StepDied(SurefootError):
    """The process of an isolated step ended in the middle of an attempt.

    ``returncode`` is how, as :mod:`subprocess` tells it: the exit code, or the negative number of the
    signal. ``signal`` is the signal's name, as ``"SIGSEGV"``, or None. ``trace`` is what the process
    itself could still write of where it was (:mod:`faulthandler`), or empty.
    """

    def __init__(
        self,
        message: str = "",
        returncode: int | None = None,
        signal: str | None = None,
        trace: str = "",
    ) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.signal = signal
        self.trace = trace


class StepKilled(StepDied):
    """It was ended from outside: by the out-of-memory killer, a person or a supervisor."""


class StepCrashed(StepDied):
    """It ended by itself: a segmentation fault, an abort, ``os._exit``."""


class StepOutOfMemory(SurefootError, MemoryError):
    """An isolated step needed more than its ``memory`` (bytes); its MemoryError is the cause."""

    def __init__(self, message: str = "", memory: int | None = None) -> None:
        super().__init__(message)
        self.memory = memory


class RunCancelled(BaseException):
    """``cancel`` was asked for; the run stops before its next step."""


class RunInterrupted(BaseException):
    """The process was asked to end; no new step starts, and the run stays resumable."""
