"""Exception → classification: pure and total.

>>> from surefoot.catalog import load
>>> classify(TimeoutError("timed out"), catalog=load()).kind
'timeout'
"""

from surefoot.classify.judge import CRITICAL_RULE, NO_RULE, RETRY_RULE, classify

__all__ = ["CRITICAL_RULE", "NO_RULE", "RETRY_RULE", "classify"]
