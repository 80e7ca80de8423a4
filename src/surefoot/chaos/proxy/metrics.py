"""``GET /metrics``: Prometheus' text format, with Toxiproxy's two counters and two of our own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .proxy import Proxy

__all__ = ["exposition"]


def exposition(proxies: Iterable[Proxy]) -> str:
    """All counters as text.

    ``toxiproxy_proxy_received_bytes_total`` and ``…_sent_bytes_total`` have the labels of Toxiproxy's
    METRICS.md; where it counts a connection at its end, this counts as bytes come.
    """
    return "\n".join([*_lines(list(proxies)), ""])


def _lines(proxies: list[Proxy]) -> Iterator[str]:
    for way in ("received", "sent"):
        name = f"toxiproxy_proxy_{way}_bytes_total"
        yield f"# HELP {name} Bytes {way} on a proxy's links by direction."
        yield f"# TYPE {name} counter"
        for proxy in proxies:
            for (stream, counted), value in proxy.bytes().items():
                if counted == way:
                    labels = _labels(
                        direction=stream,
                        listener=proxy.listen,
                        proxy=proxy.name,
                        upstream=proxy.upstream,
                    )
                    yield f"{name}{labels} {value}"
    name = "surefoot_fault_proxy_fired_total"
    yield f"# HELP {name} Connections that a toxic has acted on."
    yield f"# TYPE {name} counter"
    for proxy in proxies:
        for toxic in proxy.chain.toxics:
            labels = _labels(
                proxy=proxy.name, stream=toxic.stream, toxic=toxic.name, type=toxic.kind.name
            )
            yield f"{name}{labels} {toxic.fired}"
    name = "surefoot_fault_proxy_open_connections"
    yield f"# HELP {name} Connections open through a proxy."
    yield f"# TYPE {name} gauge"
    for proxy in proxies:
        yield f"{name}{_labels(proxy=proxy.name)} {proxy.open_connections}"


def _labels(**labels: str) -> str:
    """
    >>> _labels(proxy='a "b"')
    '{proxy="a \\\\"b\\\\""}'
    """
    pairs = []
    for name, value in labels.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        pairs.append(f'{name}="{escaped}"')
    return "{" + ",".join(pairs) + "}"
