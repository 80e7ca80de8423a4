"""``surefoot fault-proxy``: a proxy that disturbs connections, with Toxiproxy's HTTP API."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .app import CTRL_C, Stopped
from .options import examples, json_option
from .out import plain, write

if TYPE_CHECKING:
    import asyncio

    from ..chaos.proxy.server import FaultServer

__all__ = ["fault_proxy"]


@click.command(
    "fault-proxy",
    epilog=examples(
        "surefoot fault-proxy",
        "surefoot fault-proxy --port 0 --seed 7 --log fired.jsonl",
        "surefoot fault-proxy --config proxies.json --json",
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the API listens.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8474, show_default=True,
    help="The API's port; 0 is a free one.",
)  # fmt: skip
@click.option(
    "--config", "config", multiple=True, metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON file with a list of proxies to begin with, as Toxiproxy's; may be repeated.",
)  # fmt: skip
@click.option("--seed", type=int, help="The same seed makes the same decisions.")
@click.option(
    "--log", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Append a JSON line to this file before a toxic acts on a connection.",
)  # fmt: skip
@click.option("--metrics", is_flag=True, help="Offer GET /metrics for Prometheus.")
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
@json_option
def fault_proxy(
    host: str,
    port: int,
    config: tuple[Path, ...],
    seed: int | None,
    log: Path | None,
    metrics: bool,
    until_stdin_ends: bool,
    as_json: bool,
) -> int:
    """Disturb connections on purpose: a TCP proxy with Toxiproxy's HTTP API.

    It runs until Ctrl-C. Point a program at a proxy of it instead of at the real server, and add
    latency, resets, cut answers and more by HTTP: Toxiproxy's clients work with it. With --json it
    prints one line with its address and its seed.
    """
    import asyncio

    from ..chaos.proxy.server import FaultServer

    server = FaultServer(host=host, port=port, seed=seed, log=log, metrics=metrics, config=config)
    _allow_many_files()
    code = asyncio.run(_serve(server, until_stdin_ends, as_json))
    if code:
        raise Stopped(code)
    return 0


async def _serve(server: FaultServer, until_stdin_ends: bool, as_json: bool) -> int:
    """Run until a signal comes, or the standard input ends; gives the exit code."""
    import asyncio

    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _watch_signals(ended)
    await server.start()
    try:
        write(_told(server, as_json))
        if until_stdin_ends:
            _watch_stdin(ended)
        return await ended
    finally:
        await server.stop()


def _told(server: FaultServer, as_json: bool) -> str:
    assert server.api is not None
    proxies = list(server.api.proxies.values())
    if as_json:
        documents: list[Any] = [proxy.document() for proxy in proxies]
        return json.dumps({"url": server.url, "seed": server.seed, "proxies": documents})
    lines = [f"The fault proxy's API is at {server.url} (seed {server.seed}); Ctrl-C ends it."]
    for proxy in proxies:
        state = "" if proxy.enabled else " (disabled)"
        lines.append(plain(f"  {proxy.name}: {proxy.listen} → {proxy.upstream}{state}"))
    return "\n".join(lines)


def _watch_signals(ended: asyncio.Future[int]) -> None:
    import asyncio
    import signal

    loop = asyncio.get_running_loop()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    for name, code in (("SIGINT", CTRL_C), ("SIGTERM", 143), ("SIGHUP", 129)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            try:
                loop.add_signal_handler(number, end, code)
            except (NotImplementedError, ValueError, RuntimeError):
                pass  # Windows, where Ctrl-C comes as KeyboardInterrupt; or no main thread


def _watch_stdin(ended: asyncio.Future[int]) -> None:
    """Whoever started us and died closes our standard input by that: no proxy is left behind."""
    import threading

    loop = ended.get_loop()

    def end() -> None:
        if not ended.done():
            ended.set_result(0)

    def wait() -> None:
        sys.stdin.buffer.read()
        try:
            loop.call_soon_threadsafe(end)
        except RuntimeError:
            pass  # a signal was quicker, and the loop is closed

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _allow_many_files() -> None:
    """A connection takes two descriptors, and the usual soft limit is 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1_048_576
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    except (ValueError, OSError):
        pass  # macOS caps it lower than it says: what there is must do
