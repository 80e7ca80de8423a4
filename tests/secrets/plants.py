"""Secrets that are planted: one for each way by which one can get into a failure.

No secret stands in a file of the repository: bodies are made by chance, in the form that their provider
documents, and handed to the program as a file.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass

__all__ = ["Plant", "plants"]

LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Plant:
    """A secret. ``text`` holds it as it stands in the program's data; ``core`` is what must be nowhere."""

    name: str
    text: str
    core: str


def plants(seed: int) -> dict[str, Plant]:
    """A fresh set, by name."""
    chance = random.Random(seed)

    def body(length: int, alphabet: str = LETTERS) -> str:
        return "".join(chance.choice(alphabet) for _ in range(length))

    made: dict[str, Plant] = {}

    def plant(name: str, core: str, text: str = "{}") -> None:
        made[name] = Plant(name, text.format(core), core)

    plant("input_text", body(44), "please use sk-proj-{} for this one")
    plant("input_password", "pw" + body(14))
    plant("input_secret_object", body(24))
    plant("input_json", body(20), '{{"outer": "{{\\"api_key\\": \\"{}\\"}}"}}')
    plant("item", body(36), "row with ghp_{}")
    plant("item_id", f"{body(10).lower()}.private", "{}@example.com")
    plant("exception_message", body(36), "the server said no to ghp_{}")
    plant("exception_cause", "q" + body(15), "postgresql://app:{}@db.internal:5432/prod")
    plant("exception_context", body(40), "Authorization: Bearer {}")
    plant("exception_note", body(16, string.ascii_uppercase + "234567"), "with AKIA{}")
    plant("exception_attribute", body(32))
    plant("url_query", body(24))
    plant("header", body(40))
    plant("environment", body(22))
    plant("environment_dsn", "d" + body(14), "amqps://worker:{}@mq.internal/")
    plant("registered", body(18))
    plant("local", body(20), "glpat-{}")
    plant("model_output", f"{body(11, string.digits)}-{body(24)}", "xoxb-{}")
    plant("adapted", body(40), "gsk_{}")
    plant("fallback", body(37), "hf_{}")
    plant("log_message", body(43), f"SG.{body(22)}.{{}}")
    plant("log_argument", body(32), "npm_{}pqrs")
    plant("log_extra", body(21))
    plant("printed_warning", body(30), "pypi-AgEIcHlwaS5vcmc{}" + body(20))
    plant("skip_reason", body(24), "password={}")
    plant("undo", body(26), "token={}")
    plant("card", card(chance))
    plant("iban", iban(chance))
    plant("person", f"{body(9).lower()}.{body(9).lower()}", "{}@mail.example.org")
    plant("argument_on_command_line", body(24), "--password {}")
    return made


def card(chance: random.Random) -> str:
    """A number that passes Luhn's check, as a payment card's does."""
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    total = sum(d if i % 2 else (2 * d if d < 5 else 2 * d - 9) for i, d in enumerate(digits))
    return "".join(map(str, [*digits, -total % 10]))


def iban(chance: random.Random) -> str:
    """A German account number with its right check digits (ISO 13616, mod 97)."""
    account = "".join(str(chance.randrange(10)) for _ in range(18))
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d}{account}"
