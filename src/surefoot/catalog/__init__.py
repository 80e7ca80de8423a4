"""What failures there are, and how each is recognised: data in ``kinds.toml`` and ``rules/``.

>>> catalog = load()
>>> catalog.kind("disk_full").retryable
False
"""

from surefoot.catalog.index import Catalog
from surefoot.catalog.loader import load
from surefoot.catalog.patterns import pattern_engine
from surefoot.catalog.problems import CatalogProblem
from surefoot.catalog.rule import Rule

__all__ = ["Catalog", "CatalogProblem", "Rule", "load", "pattern_engine"]
