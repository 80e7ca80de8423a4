"""Orchestrators that run the same steps: one package for each, of one shape."""
