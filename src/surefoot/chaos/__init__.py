"""Faults on purpose: what a team uses to prove that its own workflow recovers."""
