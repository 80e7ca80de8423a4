"""Search engines and vector stores over HTTP: the real clients, their own retries turned off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["CALLS"]


def _elasticsearch(url: str, stream: bool, timeout: float) -> Any:
    import elasticsearch

    with elasticsearch.Elasticsearch(
        url, max_retries=0, retry_on_timeout=False, request_timeout=timeout
    ) as client:
        return client.index(index="tickets", id="1", document={"title": "x"})


def _opensearch(url: str, stream: bool, timeout: float) -> Any:
    import opensearchpy

    client = opensearchpy.OpenSearch(hosts=[url], max_retries=0, timeout=timeout)
    try:
        return client.index(index="tickets", id="1", body={"title": "x"})
    finally:
        client.close()


def _qdrant(url: str, stream: bool, timeout: float) -> Any:
    import qdrant_client

    client = qdrant_client.QdrantClient(
        url=url, timeout=timeout, check_compatibility=False, trust_env=False
    )
    try:
        return client.upsert("tickets", [qdrant_client.models.PointStruct(id=1, vector=[0.1])])
    finally:
        client.close()


def _chromadb(url: str, stream: bool, timeout: float) -> Any:
    """What every method of Chroma's client calls; ``HttpClient`` first asks for its tenant."""
    from chromadb.api.fastapi import FastAPI
    from chromadb.config import Settings, System

    where = urlsplit(url)
    settings = Settings(
        chroma_server_host=where.hostname,
        chroma_server_http_port=where.port or 80,
        chroma_server_ssl_enabled=where.scheme == "https",
        chroma_api_impl="chromadb.api.fastapi.FastAPI",
        anonymized_telemetry=False,
    )
    client = System(settings).instance(FastAPI)
    client._session.timeout = timeout  # it waits for ever, and takes no setting
    try:
        return client.get_collection("tickets")
    finally:
        client._session.close()


def _pinecone(url: str, stream: bool, timeout: float) -> Any:
    import pinecone

    with pinecone.Pinecone(
        api_key="x",
        host=url,
        timeout=timeout,
        retry_config=pinecone.RetryConfig(max_retries=0),
    ) as client:
        return client.indexes.describe("tickets")


def _weaviate(url: str, stream: bool, timeout: float) -> Any:
    """A call as after ``connect()``, which asks for the server's version before anything else."""
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Timeout

    where = urlsplit(url)
    client = weaviate.WeaviateClient(
        weaviate.connect.ConnectionParams.from_params(
            http_host=where.hostname or "",
            http_port=where.port or 80,
            http_secure=where.scheme == "https",
            grpc_host="127.0.0.1",
            grpc_port=9,  # not spoken to
            grpc_secure=False,
        ),
        additional_config=AdditionalConfig(
            timeout=Timeout(init=timeout, query=timeout, insert=timeout)
        ),
        skip_init_checks=True,
    )
    connection: Any = client._connection
    connection._open_connections_rest(None, "sync")
    connection._connected = True
    try:
        return client.collections.create_from_dict({"class": "Ticket"})
    finally:
        client.close()


CALLS: dict[str, Callable[[str, bool, float], Any]] = {
    "elasticsearch": _elasticsearch,
    "opensearchpy": _opensearch,
    "qdrant-client": _qdrant,
    "chromadb": _chromadb,
    "pinecone": _pinecone,
    "weaviate": _weaviate,
}
