"""What steps of one resource share: a gate, a circuit breaker, a retry budget, a limit on how many
run at once and how fast they begin. In the process; what other processes must know goes through the
journal, when something has gone wrong and only then.
"""

from .options import ResourceOptions
from .registry import Resources
from .resource import Admitted, Resource, Slot

__all__ = ["Admitted", "Resource", "ResourceOptions", "Resources", "Slot"]
