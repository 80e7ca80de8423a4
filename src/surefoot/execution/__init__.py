"""One journaled call: attempts, claims and journal tied together."""
