"""Digests that stay the same: of calls, of source code, of failures."""
