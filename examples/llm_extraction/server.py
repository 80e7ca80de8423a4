"""A server that speaks OpenAI's chat completions, and does everything wrong that a real one does.

    POST /v1/chat/completions    answers and errors in OpenAI's form: status, headers, body

Its "model" reads the invoice in the prompt and answers with JSON. On the way it

- answers two requests with 429 and Retry-After,
- cuts what is longer than ``max_tokens`` (finish_reason ``length``), and some answers without a word,
- refuses some prompts (400, ``content_filter``) and stops in some answers (finish_reason),
- refuses what is longer than its context (400, ``context_length_exceeded``),
- answers prose around broken JSON, or a total in words,
- is overloaded (503) for the small model,
- and dies by SIGKILL while it has a request in its hands.

Each request is a line in a file before it is answered: what is in there is what happened.

    python -m examples.llm_extraction.server --record served.jsonl --die-at 12
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

from ..file_triage.loopback import Handler, Records, Server, read_records, serve_until_parent_ends
from .documents import DOCUMENTS

CONTEXT = {"mini": 400, "large": 4_000}
"""Tokens that a model can read. A token is four characters here."""
LIMITED = frozenset((3, 4))
"""Numbers of the requests that are answered 429."""
WAIT = 0.6
"""Seconds that such an answer asks for; its Retry-After has whole ones, its retry-after-ms these."""
TROUBLE = {one.number: one.trouble for one in DOCUMENTS}
CUT_BELOW = 160
"""The proxy on the way cuts an answer whose ``max_tokens`` is below this."""


def read_invoice(text: str) -> dict[str, Any]:
    """What the model makes of a prompt: it reads, and knows nothing but the text."""
    number = re.search(r"INVOICE (\S+)", text)
    head = re.search(r"from (.+), all amounts in ([A-Z]{3})", text)
    items = re.findall(r"^(.+): (\d+\.\d\d)$", text, re.MULTILINE)
    found = dict(items)
    return {
        "number": number[1] if number else "",
        "vendor": head[1] if head else "",
        "currency": head[2] if head else "",
        "total": float(found.pop("Total", "0")),
        "items": [{"what": what, "price": float(price)} for what, price in found.items()],
    }


class Reply:
    """One answer: ``name`` is what it is counted as."""

    def __init__(
        self, name: str, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        self.name, self.status, self.body, self.headers = name, status, body, headers or {}


def error(
    name: str, status: int, message: str, headers: dict[str, str] | None = None, **fields: Any
) -> Reply:
    told = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Reply(name, status, {"error": {**told, **fields}}, headers)


def completion(name: str, model: str, content: str, used: int, finish: str = "stop") -> Reply:
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    out = len(content) // 4
    return Reply(
        name,
        200,
        {
            "id": f"chatcmpl-{time.time_ns()}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [choice],
            "usage": {
                "prompt_tokens": used,
                "completion_tokens": out,
                "total_tokens": used + out,
            },
        },
    )


def reply_to(asked: dict[str, Any], number: int) -> Reply:
    """What a request gets. ``number`` counts all requests, those before a restart too."""
    model, limit = asked["model"], asked["max_tokens"]
    prompt = "\n".join(message["content"] for message in asked["messages"])
    told = len([one for one in asked["messages"] if one["role"] == "user"]) > 1
    used = len(prompt) // 4
    invoice = read_invoice(prompt)
    trouble = TROUBLE.get(invoice["number"], "") if model == "mini" else ""
    if number in LIMITED:
        headers = {
            "Retry-After": "1",
            "retry-after-ms": f"{WAIT * 1000:.0f}",
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "0",
        }
        said = f"Rate limit reached for {model} on requests per min (RPM): Limit 60, Used 60."
        code = "rate_limit_exceeded"
        return error("rate_limited", 429, said, headers, type="requests", code=code)
    if used > CONTEXT[model]:
        said = f"This model's maximum context length is {CONTEXT[model]} tokens. However, your "
        said += f"messages resulted in {used} tokens. Please reduce the length of the messages."
        code = "context_length_exceeded"
        return error("context_length_exceeded", 400, said, param="messages", code=code)
    if trouble == "overloaded":
        said = "The engine is currently overloaded, please try again later"
        return error("overloaded", 503, said, type="server_error")
    if trouble == "filtered_prompt":
        said = (
            "The response was filtered due to the prompt triggering the content management policy."
        )
        return error("content_filtered", 400, said, param="prompt", code="content_filter")
    if trouble == "filtered_answer":
        return completion("content_filtered", model, '{"number": "', used, "content_filter")
    if trouble == "malformed" and not told:
        return completion("malformed_output", model, "Of course! {number: R-1009}", used)
    if trouble == "words":
        invoice["total"] = "ninety-five"
        return completion("unexpected_output", model, json.dumps(invoice), used)
    content = json.dumps(invoice)
    if trouble == "cut" and limit < CUT_BELOW:
        return completion("output_truncated", model, content[:-40], used)
    if len(content) // 4 > limit:
        return completion("output_truncated", model, content[: limit * 4], used, "length")
    return completion("answered", model, content, used)


class ChatHandler(Handler):
    server: ChatServer

    def do_POST(self) -> None:
        asked = json.loads(self.body())
        # one at a time, from the question to the last byte: when the server dies, no other request
        # is half answered
        with self.server.lock:
            number = self.server.number = self.server.number + 1
            dies = number == self.server.die_at
            reply = reply_to(asked, number)
            prompt = asked["messages"][1]["content"]
            found = re.search(r"INVOICE (\S+)", prompt)
            self.server.records.add(
                number=number,
                model=asked["model"],
                document=found[1] if found else None,
                outcome="died" if dies else reply.name,
            )
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            headers = {"x-request-id": f"req_{number}", **reply.headers}
            self.answer(reply.status, reply.body, headers)
            self.wfile.flush()


class ChatServer(Server):
    def __init__(self, record: Path, die_at: int, port: int) -> None:
        super().__init__(("127.0.0.1", port), ChatHandler)
        self.lock = threading.Lock()
        self.die_at = die_at
        self.number = len(read_records(record))
        self.records = Records(record)


def main() -> None:
    parser = argparse.ArgumentParser(description="a server of chat completions on loopback")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--die-at", type=int, default=0, help="the number of a request")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    serve_until_parent_ends(ChatServer(given.record, given.die_at, given.port))


if __name__ == "__main__":
    main()
