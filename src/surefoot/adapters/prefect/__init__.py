"""The same workflows on Prefect 3: a native flow, each call a native task, each retry Prefect's own.

>>> from surefoot import step, workflow
>>> from surefoot.adapters.prefect import flow            # doctest: +SKIP
>>> triage_flow = flow(triage, log_prints=True)           # doctest: +SKIP
>>> triage_flow(job)                                      # doctest: +SKIP
"""

from .dead import release
from .flows import flow, run_id_of
from .pages import page

__all__ = ["flow", "page", "release", "run_id_of"]
