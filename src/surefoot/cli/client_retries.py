"""Client libraries that retry by themselves: what they do, and how it is turned off.

Under a step that retries, each of its attempts becomes several requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["RETRYING", "Retrying"]


class Retrying(NamedTuple):
    """What a library does by default, and what makes it stop."""

    does: str
    off: str


RETRYING: Mapping[str, Retrying] = MappingProxyType(
    {
        "openai": Retrying("retries twice", "OpenAI(max_retries=0)"),
        "anthropic": Retrying("retries twice", "Anthropic(max_retries=0)"),
        "groq": Retrying("retries twice", "Groq(max_retries=0)"),
        "mistralai": Retrying("retries if told to", "Mistral(retry_config=None)"),
        "cohere": Retrying("retries twice", 'request_options={"max_retries": 0} in each call'),
        "google-genai": Retrying(
            "retries if told to",
            "Client(http_options=HttpOptions(retry_options=HttpRetryOptions(attempts=1)))",
        ),
        "google-api-core": Retrying("retries most methods", "method(…, retry=None)"),
        "litellm": Retrying("retries through its clients", "completion(…, max_retries=0)"),
        "botocore": Retrying(
            "tries up to 5 times (mode legacy)", 'Config(retries={"total_max_attempts": 1})'
        ),
        "azure-core": Retrying("retries up to 10 times", "Client(…, retry_total=0)"),
        "huggingface-hub": Retrying(
            "retries downloads and uploads", "wrap whole downloads in one step with attempts=1"
        ),
        "langchain-openai": Retrying("retries twice", "ChatOpenAI(max_retries=0)"),
        "langchain-anthropic": Retrying("retries twice", "ChatAnthropic(max_retries=0)"),
        "instructor": Retrying("asks again", "create(…, max_retries=0)"),
        "urllib3": Retrying(
            "retries connections 3 times", "PoolManager(retries=False); requests turns it off"
        ),
        "tenacity": Retrying(
            "retries what it decorates", "take @retry off functions that are steps"
        ),
        "backoff": Retrying(
            "retries what it decorates", "take @on_exception off functions that are steps"
        ),
        "stamina": Retrying("retries what it decorates", "stamina.set_active(False)"),
    }
)
"""By the name of the distribution."""
