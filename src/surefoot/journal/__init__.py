"""What is written, in the design's words; leases; group commit."""

from .journal import Claimed, Journal, NewRun
from .leases import Lease, Owner
from .records import CallRecord, DeadLetterRecord, FailureRecord, RunRecord

__all__ = [
    "CallRecord",
    "Claimed",
    "DeadLetterRecord",
    "FailureRecord",
    "Journal",
    "Lease",
    "NewRun",
    "Owner",
    "RunRecord",
]
