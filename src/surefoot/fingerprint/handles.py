"""Objects that a step works *with* rather than *on*: clients, connections, locks, loggers.

They have no contents that a resume could compare, and count by their type alone. A class is one of
them if it, or a class that it inherits from, belongs to one of these libraries and its name ends in
one of these words. A user's own ``Client`` is read by its attributes like any other object: two of
them may well mean two different calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ["is_handle"]

_CONCURRENCY = (
    "Barrier Condition Event Executor Lock Loop Manager Pool Queue Semaphore Thread Timer "
    "local lock"
)
_SERVICE = "Client ClientV2 Connection ConnectionPool Session"

# Root of a module → endings of names. Precise on purpose: the same libraries have classes of data
# with names such as Event, Session or Connection.
_ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        root: tuple(endings.split())
        for endings, *roots in (
            (
                _CONCURRENCY,
                *("_asyncio", "_multiprocessing", "_queue", "_thread", "anyio", "asyncio"),
                *("concurrent", "curio", "gevent", "multiprocessing", "queue", "threading"),
                *("trio", "uvloop"),
            ),
            ("Logger LoggerAdapter Handler BoundLoggerLazyProxy", "logging", "loguru", "structlog"),
            ("Context ContextVar", "_contextvars", "contextvars", "_ssl", "ssl"),
            (
                "FTP FTP_TLS Connection IMAP4 SMTP OpenerDirector",
                *("ftplib", "http", "imaplib", "smtplib", "urllib"),
            ),
            ("Connection Popen", "_sqlite3", "aiosqlite", "sqlite3", "subprocess"),
            (
                f"{_SERVICE} Pool Transport",
                *("aiohttp", "httpcore", "httpx", "httpx2", "niquests", "requests"),
            ),
            ("PoolManager ConnectionPool ProxyManager", "urllib3"),
            ("Channel Stub Server", "_cython", "grpc"),
            (
                "Client ClientV2 OpenAI Anthropic Groq Mistral Together",
                *("anthropic", "cohere", "fireworks", "google", "groq", "huggingface_hub"),
                *("litellm", "mistralai", "ollama", "openai", "replicate", "together"),
                "voyageai",
            ),
            (
                "Client Session ServiceResource Credential",
                *("aiobotocore", "azure", "boto3", "botocore"),
            ),
            ("FileSystem", "adlfs", "fsspec", "gcsfs", "s3fs"),
            (
                "Connection Engine Session async_sessionmaker scoped_session sessionmaker",
                *("sqlalchemy", "sqlmodel"),
            ),
            (
                "Connection connection Pool DuckDBPyConnection",
                *("aiomysql", "asyncpg", "cx_Oracle", "duckdb", "_duckdb", "mysql", "oracledb"),
                *("psycopg", "psycopg2", "psycopg_binary", "psycopg_pool", "pymysql", "pyodbc"),
                "snowflake",
            ),
            (
                "Redis RedisCluster Valkey Pipeline ConnectionPool",
                *("aioredis", "redis", "valkey"),
            ),
            (
                "Client Connection Elasticsearch OpenSearch DBConnection Pinecone",
                *("chromadb", "clickhouse_connect", "elasticsearch", "kombu", "lancedb", "motor"),
                *("opensearchpy", "pinecone", "pymongo", "qdrant_client", "slack_sdk", "twilio"),
                "weaviate",
            ),
            (
                "Celery Channel Connection Consumer Producer",
                *("celery", "confluent_kafka", "kafka", "pika"),
            ),
            ("Client Transport", "dask", "distributed", "paramiko"),
        )
        for root in roots
    }
)


def is_handle(bases: Iterable[tuple[str, str]]) -> bool:
    """Whether a class is a known handle; ``bases`` is its MRO as (module, qualified name).

    >>> import logging, threading
    >>> is_handle((base.__module__, base.__qualname__) for base in logging.Logger.__mro__)
    True
    >>> is_handle([("shop.crm", "Client"), ("builtins", "object")])
    False
    """
    for module, name in bases:
        endings = _ENDINGS.get(module.partition(".")[0])
        if endings is not None and name.endswith(endings):
            return True
    return False
