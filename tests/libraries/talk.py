"""Loopback servers for what is not HTTP, and children in which things go wrong."""

from __future__ import annotations

import os
import pickle
import socket
import ssl
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["certificate", "full_device", "in_a_child", "says", "talking"]

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


def full_device(folder: Path) -> Path:
    """A device that is always full.

    Root gets one of its own in ``folder``: what tidies up after a failed write would remove /dev/full.
    """
    if os.getuid() != 0:
        return Path("/dev/full")
    path = folder / "full"
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    return path


def in_a_child(code: str) -> BaseException:
    """The exception that ``code`` ends with, or that it tells of by ``tell``, in a Python of its own.

    The child may spoil its process: what it raises comes back pickled, as a process pool would bring
    it. ``undo()``, if it defines that, is called before.
    """
    script = textwrap.dedent(
        """
        import pickle, sys

        def tell(exc):
            sys.stdout.buffer.write(pickle.dumps(exc))
            sys.stdout.buffer.flush()

        try:
        {code}
        except BaseException as exc:
            caught = exc
        else:
            caught = None
        if "undo" in globals():
            undo()
        if caught is not None:
            tell(caught)
        """
    ).format(code=textwrap.indent(textwrap.dedent(code), "    "))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        timeout=60,
        cwd=_ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout, "nothing was raised"
    found = pickle.loads(done.stdout)  # of our own child
    assert isinstance(found, BaseException)
    return found
