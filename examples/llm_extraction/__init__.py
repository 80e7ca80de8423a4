"""Structured data out of small documents, with a real SDK and a server that does everything wrong."""
