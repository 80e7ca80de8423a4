"""The vocabulary as plain data: stages, categories, kinds, ladders, classifications.

Nothing here does anything. Every other module speaks in these words, so this one imports none of
them. Times are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = [
    "BUILTIN_KINDS",
    "CATEGORIES",
    "RUNGS",
    "RUN_STATUSES",
    "STAGES",
    "CallStatus",
    "Category",
    "Classification",
    "Evidence",
    "Kind",
    "Ladder",
    "Outcome",
    "Rung",
    "RungName",
    "RunStatus",
    "Severity",
    "Stage",
]

Stage = Literal["ingestion", "preprocessing", "inference", "postprocessing", "notification"]
Category = Literal["data", "model", "infrastructure", "orchestration", "code"]
Severity = Literal["info", "warning", "error", "critical"]
Outcome = Literal["refused", "open"]
"""What a failed *effect* did: ``refused`` surely nothing, ``open`` perhaps everything."""

RungName = Literal["retry", "adapt", "fall_back", "skip", "halt"]
RunStatus = Literal[
    "running", "completed", "halted", "interrupted", "cancelled", "rolling_back", "rolled_back"
]
CallStatus = Literal["running", "completed", "failed", "skipped", "superseded"]

STAGES: tuple[Stage, ...] = get_args(Stage)
CATEGORIES: tuple[Category, ...] = get_args(Category)
RUNGS: tuple[RungName, ...] = get_args(RungName)
RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)

# The closed list of DESIGN.md. kinds.toml must define exactly these (tested); it is repeated here so
# that a misspelt kind in `on("…")` is told at the start of a run without loading the catalog.
BUILTIN_KINDS: tuple[str, ...] = (
    # model
    "rate_limited",
    "overloaded",
    "quota_exhausted",
    "model_not_found",
    "model_not_ready",
    "context_length_exceeded",
    "content_filtered",
    "malformed_output",
    "output_truncated",
    "unexpected_output",
    "gpu_out_of_memory",
    "gpu_fault",
    "numerical_error",
    # data
    "missing_value",
    "schema_mismatch",
    "invalid_value",
    "corrupt_file",
    "encoding_error",
    "parse_error",
    "empty_data",
    "not_found",
    "duplicate",
    "payload_too_large",
    # infrastructure
    "connection",
    "dns",
    "tls",
    "timeout",
    "server_error",
    "auth",
    "auth_expired",
    "permission",
    "host_out_of_memory",
    "disk_full",
    "fd_exhausted",
    "too_many_connections",
    "db_locked",
    "transaction_conflict",
    "storage_fault",
    "resource_exhausted",
    "process_killed",
    "process_crashed",
    "conflict",
    # orchestration
    "dependency_failed",
    "budget_exceeded",
    "invalid_request",
    "misconfiguration",
    "retries_exhausted",
    "circuit_open",
    "resume_drift",
    "in_doubt",
    "run_locked",
    "deadline_exceeded",
    "cancelled",
    "control_flow",
    # code
    "bug",
    "recursion_limit",
    # nobody knows
    "unknown",
)


@dataclass(frozen=True)
class Rung:
    """One rung of a ladder.

    ``attempts`` (retry only) caps how often a call is tried in all while it fails with this kind;
    None leaves it to the step. ``within`` bounds the same in seconds since the first such failure.
    ``base`` and ``cap`` are the back-off's first and largest wait in seconds.
    """

    name: RungName
    attempts: int | None = None
    within: float | None = None
    base: float | None = None
    cap: float | None = None

    def __str__(self) -> str:
        given = [
            f"{key}={value:g}"
            for key in ("attempts", "within", "base", "cap")
            if (value := getattr(self, key)) is not None
        ]
        return f"{self.name}({', '.join(given)})" if given else self.name


Ladder = tuple[Rung, ...]


@dataclass(frozen=True)
class Kind:
    """What a failure can be, as ``kinds.toml`` (or a user's file) says it."""

    id: str
    category: Category
    recoverable: bool
    retryable: bool
    ladder: Ladder
    severity: Severity
    title: str
    meaning: str
    action: str


@dataclass(frozen=True)
class Evidence:
    """Why a rule was chosen, or what it saw: ``what`` was looked at and the ``value`` found there."""

    what: str
    value: str


@dataclass(frozen=True)
class Classification:
    """What a failure is.

    ``retry_after`` is the wait in seconds that the server asked for, or None. ``outcome`` matters
    for effects only. ``retries_spent`` counts retries that a client library already made.
    ``type`` is the qualified class name of the exception that decided, which may be a cause of the
    one raised. ``message`` is raw: scrub it before it goes anywhere.
    """

    kind: str
    category: Category
    recoverable: bool
    retryable: bool
    rule: str
    fingerprint: str
    ladder: Ladder
    type: str
    message: str
    retry_after: float | None = None
    outcome: Outcome = "open"
    retries_spent: int = 0
    severity: Severity = "error"
    evidence: tuple[Evidence, ...] = ()

    def as_dict(self) -> Mapping[str, Any]:
        """For ``--json`` and the journal, without the raw message."""
        return {
            "kind": self.kind,
            "category": self.category,
            "recoverable": self.recoverable,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "outcome": self.outcome,
            "rule": self.rule,
            "fingerprint": self.fingerprint,
            "type": self.type,
            "retries_spent": self.retries_spent,
            "severity": self.severity,
            "ladder": [str(rung) for rung in self.ladder],
            "evidence": [{"what": e.what, "value": e.value} for e in self.evidence],
        }
