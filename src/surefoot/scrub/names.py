"""Which names (of keys, variables, parameters) stand for secrets."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["is_secret_name"]

_WORDS = frozenset(
    "apikey auth authorization bearer cookie cookies credential credentials dsn jwt passcode "
    "passphrase passwd password passwords pwd secret secrets sig signature token".split()
)
_PAIRS = frozenset(
    "access_key account_key api_key connection_string encryption_key license_key master_key "
    "private_key secret_key service_key session_key shared_key signing_key ssh_key".split()
)
# What follows a word that would otherwise be a secret, and makes it none: `token_count`.
_HARMLESS_AFTER = frozenset(
    "budget bytes cost count counts id ids index length limit limits max name names path policy "
    "rate size total ttl type types url usage used version".split()
)


@cache
def _boundary() -> re.Pattern[str]:
    return re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


def is_secret_name(name: str) -> bool:
    """Whether a value under that name is a secret.

    Keys that tell things apart (``idempotency_key``) and counts (``max_tokens``) are none.

    >>> [is_secret_name(n) for n in ("OPENAI_API_KEY", "clientSecret", "x-api-key", "db_password")]
    [True, True, True, True]
    >>> [is_secret_name(n) for n in ("idempotency_key", "max_tokens", "token_count", "author")]
    [False, False, False, False]
    """
    words = [word.lower() for word in _boundary().split(name[:200]) if word]
    for index, word in enumerate(words):
        found = word in _WORDS or "_".join(words[index : index + 2]) in _PAIRS
        if not found and word.endswith(("password", "passwd", "apikey", "secret")):
            found = True  # `dbpassword`, `clientsecret`: two words written as one
        if found:
            after = words[index + (1 if word in _WORDS else 2) :]
            if not after or after[-1] not in _HARMLESS_AFTER:
                return True
    return False
