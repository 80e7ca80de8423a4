"""The same inner sessions as in tests/plugin."""

from tests.plugin.conftest import play

__all__ = ["play"]
