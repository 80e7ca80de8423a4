"""Where the journal's bytes lie. One Protocol, one module a database."""
