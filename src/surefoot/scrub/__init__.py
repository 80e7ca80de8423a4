"""The one way out for text and values: what looks like a secret does not leave."""

from .names import is_secret_name
from .text import Hidden, scrub_text
from .values import scrub

__all__ = ["Hidden", "is_secret_name", "scrub", "scrub_text"]
