"""A chaos run touches loopback alone: connections to other machines are refused in its processes."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

__all__ = ["NotOnLoopback", "stay_on_loopback"]


class NotOnLoopback(PermissionError):
    """A workflow under test wanted to talk to another machine."""


def stay_on_loopback() -> None:
    """From now on this process reaches its own machine only; there is no way back.

    An audit hook: it is asked before ``socket.connect`` and the like whoever calls them, C code that
    goes around Python's sockets excepted (PEP 578).
    """
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1] if len(args) > 1 else None
        host = address[0] if isinstance(address, tuple) and address else None
    else:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if isinstance(name, str) and not _is_here(name):
        raise NotOnLoopback(
            f"surefoot chaos keeps its processes on loopback, and this one wanted {name}; let the "
            "workflow talk to a stand-in, or allow it: --allow-network"
        )


def _is_here(host: str) -> bool:
    """
    >>> _is_here("127.0.0.1"), _is_here("localhost"), _is_here("::1"), _is_here("10.0.0.1")
    (True, True, True, False)
    """
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False  # a name of another machine, which nobody is asked for either
