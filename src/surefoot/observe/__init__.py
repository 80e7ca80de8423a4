"""Readers of what happens: logs and progress."""
