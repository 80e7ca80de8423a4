"""Which names (of keys, variables, parameters, headers) stand for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

__all__ = ["DSN_NAMES", "KEYWORDS", "is_secret_name", "own_names", "personal_name", "words_of"]

_WORDS = frozenset(
    "accesskey apikey appsecret auth authorization authtoken bearer connectionstring cookie "
    "cookies cred credential credentials creds csrf dsn hmac jsessionid jwt mnemonic otp "
    "passcode passphrase passwd password passwords phpsessid pin privatekey psk pswd pw pwd "
    "sas secret secretkey secrets seedphrase sessionid sig signature token totp webhook xsrf".split()
)
_PAIRS = frozenset(
    "access_key account_key admin_key aes_key api_key api_keys apikey_auth app_key "
    "application_key auth_code authorization_code backup_code cipher_key client_key "
    "code_verifier conn_str connection_string consumer_key crypt_key crypto_key "
    "decryption_key deploy_key encryption_key fernet_key function_key functions_key gpg_key "
    "hash_key hmac_key host_key ingest_key ingestion_key integration_key jwt_key key_data "
    "license_key machine_key master_key pass_phrase pgp_key phone_pin private_key query_key "
    "recovery_code recovery_phrase registration_key root_key rsa_key secret_key security_code "
    "security_key seed_phrase server_key service_key shared_key signing_key ssh_key ssl_key "
    "storage_key stream_key subscription_key token_key user_key vault_key verification_code "
    "webhook_key webhook_url write_key".split()
)
# Who gives keys: `openai_key` is one, `cache_key` is none.
_GIVERS = frozenset(
    "airtable alchemy algolia alibaba anthropic aws azure bedrock binance bing brave cartesia "
    "cerebras claude clerk cloudflare cohere coinbase contentful datadog dd deepgram "
    "deepinfra deepseek digitalocean elastic elevenlabs etherscan exa fal firecrawl fireworks "
    "gcp gemini github gitlab google groq heroku hf honeycomb hubspot huggingface infura jina "
    "kraken langchain langfuse langsmith linear mailchimp mailgun mapbox meili mistral "
    "moonshot netlify newrelic notion nvidia okta openai openrouter opensearch opsgenie "
    "pagerduty paypal perplexity pinecone plaid posthog postmark qdrant replicate resend "
    "runpod segment sendgrid sentry serpapi serper shopify slack snyk sparkpost splunk square "
    "stability stripe supabase tavily tencent together twilio typesense vercel vertex voyage "
    "wandb weaviate xai zendesk".split()
)
# What follows a word that would otherwise be a secret, and makes it none: `token_count`.
_HARMLESS_AFTER = frozenset(
    "age alg algorithm at audience backend budget bytes cache changed check class cost count "
    "counter counts created date days delivery dir duration enabled endpoint env error errors "
    "event events exists expiration expired expires expiry failed failure failures field file "
    "filename folder format generated handler header headers hint host hours id ids index "
    "invalid issuer kind label length limit limits list location manager max metadata method "
    "middleware min minutes missing mode model name names param parameter path per policy "
    "port position prefix present price pricing provider rate ref required requirement "
    "requirements reset resolver rotated rotation samesite schema scheme scope scopes seconds "
    "server service set size sock socket source spec stage state status store strategy "
    "strength suffix timeout total ttl type types updated uri url usage usages used user "
    "username users valid validator verified verify version view window".split()
)
# What stands before `token` where it is a piece of text, a page or a lock rather than a secret.
_HARMLESS_TOKENS = frozenset(
    "bos cancel cancellation cls completion continuation cost current eos expected fencing "
    "first generated idempotency image input last lock mask max maximum min minimum new next "
    "num number of output pad page per prompt reasoning sep special start stop sync syntax "
    "thinking total unexpected unk".split()
)
_ENDS = (
    "accesskey", "accesstoken", "apikey", "apisecret", "apitoken", "authtoken", "bottoken",
    "clientsecret", "passwd", "password", "passphrase", "privatekey", "refreshtoken", "secret",
    "secretkey", "sessiontoken", "accountkey", "storagekey", "sharedkey", "masterkey", "signingkey",
    "encryptionkey", "consumerkey", "servicekey", "sessionkey", "licensekey", "subscriptionkey",
    "userpwd", "dbpass", "dbpwd", "userpass", "mypass",
)  # fmt: skip
# `DB_PASS`, `smtp_pass`, `pass`: but not `first_pass`, `pass_rate`.
_NO_SECRETS = frozenset("bypass compass encompass overpass surpass trespass underpass".split())
_NO_PASS = frozenset(
    "first second third last next final single multi one two forward backward by no".split()
)

DSN_NAMES = ("dsn", "connectionstring", "connection_string", "conn_str", "webhook_url")
"""Names of texts that hold a secret among other things."""

KEYWORDS = (
    "pass|pwd|pswd|secret|token|key|auth|cred|cookie|dsn|jwt|sig|sess|bearer|otp|pin|psk|mnemonic"
    "|phrase|hmac|csrf|xsrf|sas|code|conn|webhook|pw"
)
"""What is in every such name, for a first look (case does not matter)."""

_PERSONAL = {
    "email": "email", "mail": "email", "phone": "phone", "mobile": "phone", "telephone": "phone",
    "tel": "phone", "cell": "phone", "cellphone": "phone", "fax": "phone", "ssn": "ssn",
    "iban": "iban", "card_number": "card", "cardnumber": "card", "credit_card": "card",
    "creditcard": "card", "card_no": "card", "cc_number": "card", "pan": "card",
    "social_security": "ssn", "social_security_number": "ssn", "phone_number": "phone",
    "phonenumber": "phone", "email_address": "email", "mobile_number": "phone",
    "whatsapp": "phone",
}  # fmt: skip


@cache
def _boundary() -> re.Pattern[str]:
    return re.compile(
        r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9\x80-\U0010ffff]+"
    )


def words_of(name: str) -> list[str]:
    """
    >>> words_of("clientSecret"), words_of("X-API-Key")
    (['client', 'secret'], ['x', 'api', 'key'])
    """
    return [word.lower() for word in _boundary().split(name[:200]) if word]


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a value under that name is a secret.

    Keys that tell things apart (``idempotency_key``) and counts (``max_tokens``) are none.

    >>> [is_secret_name(n) for n in ("OPENAI_API_KEY", "clientSecret", "x-api-key", "db_password")]
    [True, True, True, True]
    >>> [is_secret_name(n) for n in ("idempotency_key", "max_tokens", "token_count", "author")]
    [False, False, False, False]
    """
    words = words_of(name)
    for index, word in enumerate(words):
        if _is_secret_word(words, index):
            pair = word not in _WORDS and index + 1 < len(words)
            after = words[index + (2 if pair and not word.endswith(_ENDS) else 1) :]
            if not after or after[-1] not in _HARMLESS_AFTER:
                return True
    return False


def _is_secret_word(words: list[str], index: int) -> bool:
    word = words[index]
    before = words[index - 1] if index else ""
    if word == "token":
        return before not in _HARMLESS_TOKENS
    if word in ("pin", "sig", "auth", "webhook", "hmac", "pw"):
        return index == len(words) - 1 or words[index + 1] in (
            "token",
            "key",
            "secret",
            "code",
            "data",
        )
    if word in _WORDS:
        return True
    if word.endswith("pass") and word != "pass":  # storepass, rootpass
        return word not in _NO_SECRETS and index == len(words) - 1
    if word == "pass":
        return index == len(words) - 1 and before not in _NO_PASS
    following = words[index + 1] if index + 1 < len(words) else ""
    if following and f"{word}_{following}" in _PAIRS:
        return True
    if following == "key" and word in _GIVERS:
        return True
    # two words written as one: `dbpassword`, `clientsecret`
    return word.endswith(_ENDS)


def personal_name(name: str) -> str | None:
    """Which kind of personal data stands under that name.

    >>> personal_name("customerPhone"), personal_name("card_number"), personal_name("phoneme")
    ('phone', 'card', None)
    """
    words = words_of(name)
    for width in (3, 2, 1):
        found = _PERSONAL.get("_".join(words[-width:]))
        if found is not None:
            return found
    return None


def own_names(names: Iterable[str]) -> frozenset[tuple[str, ...]]:
    """Names of the user's, as the words that they are made of."""
    return frozenset(tuple(words_of(name)) for name in names)
