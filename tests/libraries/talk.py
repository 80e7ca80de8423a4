"""Loopback servers for what is not HTTP, and children in which things go wrong."""

from __future__ import annotations

import os
import pickle
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["certificate", "in_a_child", "says", "talking"]

_ROOT = Path(__file__).parents[2]


@contextmanager
def talking(
    talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, int]]:
    """A server's host and port; ``talk`` is called with each connection, with TLS if there is a context."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def serve(client: socket.socket) -> None:
            with client:
                try:
                    client.settimeout(10)
                    if context is None:
                        talk(client)
                    else:
                        with context.wrap_socket(client, server_side=True) as wrapped:
                            talk(wrapped)
                except (OSError, EOFError):
                    return  # the client went away

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield "127.0.0.1", listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(0.5)


def says(raw: bytes) -> Callable[[socket.socket], None]:
    """Hear one thing, say one thing, go."""

    def talk(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(raw)

    return talk


def certificate(*names: str, **asked: object) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server for ``names`` shows, and a client that trusts the authority behind it."""
    import trustme

    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **asked).configure_cert(server)  # type: ignore[arg-type]
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def in_a_child(code: str, *, user: int | None = None) -> BaseException:
    """The exception that ``code`` ends with, run in a Python of its own.

    The child may spoil its process: what it raises comes back pickled, as a process pool would bring it.
    """
    script = "import pickle, sys\ntry:\n" + textwrap.indent(textwrap.dedent(code), "    ")
    script += textwrap.dedent(
        """
        except BaseException as exc:
            caught = exc
        else:
            sys.exit("nothing was raised")
        try:
            undo()
        except NameError:
            pass
        sys.stdout.buffer.write(pickle.dumps(caught))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        timeout=60,
        cwd=_ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        user=user,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = pickle.loads(done.stdout)  # of our own child
    assert isinstance(found, BaseException)
    return found
