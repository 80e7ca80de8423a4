"""``host:port`` as Toxiproxy spells it, and the sockets behind it."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["bind", "shown", "split", "where"]

BACKLOG = 4096
"""Connections that may wait to be accepted; the system caps it (``net.core.somaxconn``)."""


def split(address: str) -> tuple[str, int]:
    """The host and the port; an empty host means "every interface".

    >>> split("localhost:80"), split("[::1]:443"), split(":8080")
    (('localhost', 80), ('::1', 443), ('', 8080))

    :raises ValueError: it is no address; the text says why.
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address: write host:port, as 127.0.0.1:8080")
    if bracketed:
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r} is no address: write [{host}]:{port}")
    return host, int(port)


def shown(address: tuple[Any, ...]) -> str:
    """A socket's own name as text.

    >>> shown(("127.0.0.1", 80)), shown(("::1", 80, 0, 0))
    ('127.0.0.1:80', '[::1]:80')
    """
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def where(address: str) -> tuple[int, tuple[Any, ...]]:
    """(family, socket address) to listen at: one address, IPv4 before IPv6, as Go chooses it.

    An empty text is a free port on loopback: nothing is opened to a network that nobody asked for.

    :raises ValueError: it is no address.
    :raises OSError: the host is not known.
    """
    host, port = split(address or "127.0.0.1:0")
    if not host:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        return family, ("::" if family == socket.AF_INET6 else "0.0.0.0", port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, name = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, name[:2]


def bind(address: str) -> socket.socket:
    """A socket that listens there; its caller closes it.

    :raises ValueError: it is no address.
    :raises OSError: it cannot be listened at.
    """
    family, name = where(address)
    return socket.create_server(
        name,
        family=family,
        backlog=BACKLOG,
        dualstack_ipv6=family == socket.AF_INET6 and name[0] == "::",
    )
