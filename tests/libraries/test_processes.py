"""Processes that die, devices that are full, limits that are reached: the real exceptions of each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import io
import json
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import operator
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog
from tests.libraries.census import Library, unknown
from tests.libraries.talk import full_device, in_a_child
from tests.rules.conftest import Judge
from tests.rules.servers import closed_port

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads warns


def raised(what: Callable[[], Any]) -> BaseException:
    try:
        what()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


# --- children


def _shell(command: str) -> subprocess.CalledProcessError:
    with pytest.raises(subprocess.CalledProcessError) as found:
        subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    return found.value


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("KILL", "process_killed", True),
        ("TERM", "process_killed", True),
        ("HUP", "process_killed", True),
        ("SEGV", "process_crashed", True),
        ("ABRT", "process_crashed", True),
        ("BUS", "process_crashed", True),
        ("ILL", "process_crashed", True),
        ("FPE", "process_crashed", True),
        ("SYS", "process_crashed", True),
        ("INT", "cancelled", False),
        ("ALRM", "timeout", True),
        ("XCPU", "process_killed", False),
    ],
)
def test_a_child_that_a_signal_ended(name: str, kind: str, retryable: bool, judge: Judge) -> None:
    itself = _shell(f"ulimit -c 0; kill -{name} $$")
    assert itself.returncode == -getattr(signal, f"SIG{name}")
    judge(itself, kind, retryable=retryable, outcome="open")
    told_by_a_shell = _shell(f"ulimit -c 0; sh -c 'kill -{name} $$'; exit $?")
    assert told_by_a_shell.returncode == 128 + getattr(signal, f"SIG{name}")
    judge(told_by_a_shell, kind, retryable=retryable, outcome="open")


@pytest.mark.parametrize(
    ("command", "kind", "retryable"),
    [
        ("exit 1", "dependency_failed", True),
        ("no_such_program_at_all", "misconfiguration", False),
        ("/etc/passwd", "permission", False),
        ("ls --no-such-option", "invalid_request", False),
        ("timeout 0.05 sleep 5", "timeout", True),
    ],
)
def test_a_child_that_ended_by_itself(
    command: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_shell(command), kind, retryable=retryable)


def test_a_child_that_takes_too_long(judge: Judge) -> None:
    exc = raised(lambda: subprocess.run(["sleep", "5"], timeout=0.05))
    assert isinstance(exc, subprocess.TimeoutExpired)
    judge(exc, "timeout", retryable=True, outcome="open")


def test_a_limit_of_cpu_time_is_met_again(judge: Judge) -> None:
    exc = _shell("ulimit -c 0; ulimit -S -t 1; while :; do :; done")
    assert exc.returncode == -signal.SIGXCPU
    judge(exc, "process_killed", retryable=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # preexec_fn beside threads
def test_a_preparation_that_fails_is_a_bug(judge: Judge) -> None:
    def prepare() -> None:
        raise KeyError("x")

    exc = raised(lambda: subprocess.run(["true"], preexec_fn=prepare))
    judge(exc, "bug", retryable=False, outcome="refused")


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (signal.raise_signal, (signal.SIGKILL,)),
        (os.abort, ()),
        (os._exit, (3,)),
    ],
    ids=["killed", "aborted", "gone"],
)
def test_a_worker_that_dies_breaks_its_pool(
    function: Callable[..., Any], arguments: tuple[Any, ...], judge: Judge
) -> None:
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        exc = raised(pool.submit(function, *arguments).result)
        assert isinstance(exc, BrokenProcessPool)
        judge(exc, "process_killed", retryable=True, outcome="open")
        judge(raised(lambda: pool.submit(int)), "process_killed", retryable=True)


def test_what_a_worker_raised_is_judged_for_itself(judge: Judge) -> None:
    """A pool brings the traceback along as its cause, in a class of its own."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        exc = raised(pool.submit(int, "x").result)
        assert type(exc.__cause__).__name__ == "_RemoteTraceback"
        judge(exc, "invalid_value", retryable=False)
        judge(raised(pool.submit(operator.attrgetter("x"), 1).result), "bug", retryable=False)
        judge(raised(pool.submit(open, "/nothing").result), "not_found", retryable=False)
        with contextlib.suppress(AttributeError):
            judge(raised(pool.submit(lambda: 1).result), "bug", retryable=False)


def test_a_pool_of_multiprocessing(judge: Judge) -> None:
    with SPAWN.Pool(1) as pool:
        judge(raised(lambda: pool.apply(int, ("x",))), "invalid_value", retryable=False)
        exc = raised(lambda: pool.apply(threading.Lock))
        assert isinstance(exc, multiprocessing.pool.MaybeEncodingError)
        judge(exc, "bug", retryable=False)


def test_a_timeout_of_multiprocessing_is_one_though_its_class_is_none(judge: Judge) -> None:
    hold = threading.Event()
    with multiprocessing.pool.ThreadPool(1) as pool:
        exc = raised(lambda: pool.apply_async(hold.wait).get(timeout=0.01))
        hold.set()
    assert not isinstance(exc, TimeoutError)
    judge(exc, "timeout", retryable=True, outcome="open")


def test_the_other_end_of_a_pipe_is_gone(judge: Judge) -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    judge(raised(ours.recv), "connection", retryable=True)
    judge(raised(lambda: ours.send(1)), "connection", retryable=True)
    ours.close()


def test_another_key_of_multiprocessing_is_refused(judge: Judge) -> None:
    with multiprocessing.connection.Listener(("127.0.0.1", 0), authkey=b"right") as listener:

        def serve() -> None:
            with contextlib.suppress(multiprocessing.AuthenticationError, EOFError, OSError):
                listener.accept().close()

        thread = threading.Thread(target=serve)
        thread.start()
        exc = raised(lambda: multiprocessing.connection.Client(listener.address, authkey=b"wrong"))
        thread.join()
    assert isinstance(exc, multiprocessing.AuthenticationError)
    judge(exc, "auth", retryable=False)


def test_a_child_that_is_none_of_ours(judge: Judge) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    judge(raised(lambda: os.waitpid(gone.pid, 0)), "process_crashed", retryable=True)
    judge(raised(lambda: os.kill(gone.pid, 0)), "process_crashed", retryable=True)


def test_programs_that_cannot_be_run(tmp_path: Path, judge: Judge) -> None:
    program = tmp_path / "program"
    judge(raised(lambda: subprocess.run([program])), "not_found", retryable=False)
    program.write_text("neither a script nor a binary")
    judge(raised(lambda: subprocess.run([program])), "permission", retryable=False)
    program.chmod(0o755)
    judge(raised(lambda: subprocess.run([program])), "misconfiguration", retryable=False)
    with program.open("a"):
        exc = raised(lambda: subprocess.run([program]))
    assert isinstance(exc, OSError) and exc.errno == errno.ETXTBSY
    judge(exc, "resource_exhausted", retryable=True)
    huge = ["true", *["x" * 100_000] * 50]
    judge(raised(lambda: subprocess.run(huge)), "payload_too_large", retryable=False)


# --- limits

# Root may start as many as it likes; nobody may not.
_AS_NOBODY = """
        import os, resource, subprocess, threading
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
"""


@pytest.mark.parametrize(
    "start",
    ["threading.Thread(target=print).start()", "os.fork()", "subprocess.run(['true'])"],
)
def test_no_more_threads_and_processes(start: str, judge: Judge) -> None:
    exc = in_a_child(
        _AS_NOBODY
        + f"""
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        {start}
        """
    )
    judge(exc, "resource_exhausted", retryable=True)


def test_memory_that_the_machine_does_not_have(judge: Judge) -> None:
    judge(raised(lambda: bytearray(1 << 60)), "host_out_of_memory", retryable=False)
    exc = in_a_child(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        held = [bytearray(1 << 20) for _ in range(1 << 10)]
        """
    )
    assert isinstance(exc, MemoryError)
    judge(exc, "host_out_of_memory", retryable=False)
    exc = in_a_child(
        """
        import mmap, resource
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        mmap.mmap(-1, 1 << 30)
        """
    )
    assert isinstance(exc, OSError)
    judge(exc, "host_out_of_memory", retryable=False)


@pytest.mark.parametrize(
    "use",
    [
        "open('/dev/null')",
        "socket.socket()",
        "subprocess.run(['true'], capture_output=True)",
        "os.listdir('/')",
        "tempfile.TemporaryFile()",
        "asyncio.new_event_loop()",
    ],
)
def test_no_more_files(use: str, judge: Judge) -> None:
    exc = in_a_child(
        f"""
        import asyncio, os, resource, socket, subprocess, tempfile
        tempfile.gettempdir()
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        held = []
        def undo():
            for each in held:
                os.close(each)
        while True:
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        {use}
        """
    )
    judge(exc, "fd_exhausted", retryable=True)


def test_recursion_without_end(judge: Judge) -> None:
    def again() -> None:
        again()

    judge(raised(again), "recursion_limit", retryable=False)
    nested = "[" * 100_000
    judge(raised(lambda: json.loads(nested)), "recursion_limit", retryable=False)


def test_work_that_comes_after_the_end_is_a_bug(judge: Judge) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    judge(raised(lambda: pool.submit(int)), "bug", retryable=False)
    exc = in_a_child(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def late():
            threading.main_thread().join()
            try:
                while True:
                    pool.submit(int)
            except RuntimeError as exc:
                tell(exc)
        threading.Thread(target=late).start()
        """
    )
    assert "shutdown" in str(exc)
    judge(exc, "bug", retryable=False)
    # Python 3.12 and later
    exc = RuntimeError("can't create new thread at interpreter shutdown")
    judge(exc, "bug", retryable=False)


# --- disks and files


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = full_device(tmp_path)
    assert path.is_char_device()
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda full: full.write("x" * 100_000),
        lambda full: (full.write("x"), full.flush()),
        lambda full: print("x", file=full, flush=True),
        lambda full: (json.dump({"a": "x" * 100_000}, full), full.flush()),
    ],
    ids=["write", "flush", "print", "json"],
)
def test_a_full_device(write: Callable[[io.TextIOBase], Any], full: Path, judge: Judge) -> None:
    file = full.open("w", encoding="utf-8")
    try:
        judge(raised(lambda: write(file)), "disk_full", retryable=False)
    finally:
        with contextlib.suppress(OSError):
            file.close()


def test_a_full_device_through_other_modules(tmp_path: Path, full: Path, judge: Judge) -> None:
    import gzip
    import tarfile
    import zipfile

    source = tmp_path / "source"
    source.write_bytes(os.urandom(200_000))

    def zipped() -> None:
        with full.open("wb", buffering=0) as file, zipfile.ZipFile(file, "w") as archive:
            archive.write(source)

    def gzipped() -> None:
        with full.open("wb", buffering=0) as file, gzip.GzipFile(fileobj=file, mode="wb") as out:
            out.write(source.read_bytes())

    def tarred() -> None:
        with full.open("wb", buffering=0) as file, tarfile.open(fileobj=file, mode="w") as out:
            out.add(source)

    for act in (zipped, gzipped, tarred, lambda: full.write_bytes(b"x")):
        judge(raised(act), "disk_full", retryable=False)


def test_a_file_that_may_grow_no_more(tmp_path: Path, judge: Judge) -> None:
    exc = in_a_child(
        f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with open({str(tmp_path / "file")!r}, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 600)
        """
    )
    judge(exc, "payload_too_large", retryable=False)


def test_a_file_system_that_is_read_only(judge: Judge) -> None:
    exc = in_a_child(
        """
        import ctypes, os, tempfile
        libc = ctypes.CDLL(None, use_errno=True)
        folder = tempfile.mkdtemp().encode()
        NEWUSER, NEWNS, RDONLY, PRIVATE, REC = 0x10000000, 0x20000, 1, 1 << 18, 0x4000
        where = None
        if libc.unshare(NEWNS) == 0 or libc.unshare(NEWUSER | NEWNS) == 0:
            libc.mount(None, b"/", None, PRIVATE | REC, None)
            if libc.mount(b"none", folder, b"tmpfs", RDONLY, None) == 0:
                where = folder.decode()
        if where is None:  # no namespaces here: what the machine has
            for line in open("/proc/mounts"):
                _, place, _, options, *_ = line.split()
                if "ro" in options.split(",") and os.path.isdir(place):
                    where = place
        assert where is not None, "no read-only file system to be had"
        open(os.path.join(where, "file"), "w")
        """
    )
    assert isinstance(exc, OSError) and exc.errno == errno.EROFS, exc
    judge(exc, "permission", retryable=False)


def test_rights_that_we_do_not_have(tmp_path: Path, judge: Judge) -> None:
    locked = tmp_path / "locked"
    locked.write_text("x")
    locked.chmod(0)
    opened = in_a_child(f"{_AS_NOBODY}\n        open({str(locked)!r})")
    judge(opened, "permission", retryable=False)
    killed = in_a_child(f"{_AS_NOBODY}\n        os.kill(1, 0)")
    assert isinstance(killed, PermissionError) and killed.errno == errno.EPERM
    judge(killed, "permission", retryable=False)


def test_paths_that_lead_nowhere(tmp_path: Path, judge: Judge) -> None:
    file, folder, loop = tmp_path / "file", tmp_path / "folder", tmp_path / "loop"
    file.write_text("x")
    folder.mkdir()
    (folder / "inner").write_text("x")
    loop.symlink_to(loop)
    for act, kind in (
        (lambda: open(tmp_path / "nothing"), "not_found"),
        (lambda: open(folder), "bug"),
        (lambda: open(file / "inner"), "bug"),
        (lambda: open(loop), "invalid_value"),
        (lambda: open(tmp_path / ("x" * 300)), "invalid_value"),
        (lambda: open(b"a\0b"), "invalid_value"),
        (folder.mkdir, "conflict"),
        (lambda: open(file, "x"), "conflict"),
        (folder.rmdir, "conflict"),
        (lambda: shutil.copy(file, file), "conflict"),
        (lambda: file.open().close() or io.StringIO().fileno(), "bug"),
        (lambda: os.close(9_999), "bug"),
    ):
        judge(raised(act), kind, retryable=False)


def test_a_closed_file_is_a_bug(tmp_path: Path, judge: Judge) -> None:
    file = open(tmp_path / "file", "w")
    file.close()
    judge(raised(lambda: file.write("x")), "bug", retryable=False)


# --- every number of an operating system's error, by itself

# errno: kind, retryable. man 3 errno; the taxonomy's rows and those beside them
ERRNOS = {
    "ECONNRESET": ("connection", True),
    "ECONNABORTED": ("connection", True),
    "ECONNREFUSED": ("connection", True),
    "EPIPE": ("connection", True),
    "ESHUTDOWN": ("connection", True),
    "ETIMEDOUT": ("timeout", True),
    "ENETUNREACH": ("connection", True),
    "EHOSTUNREACH": ("connection", True),
    "ENETDOWN": ("connection", True),
    "EADDRINUSE": ("resource_exhausted", True),
    "EADDRNOTAVAIL": ("resource_exhausted", True),
    "ENOSPC": ("disk_full", False),
    "EDQUOT": ("disk_full", False),
    "EMFILE": ("fd_exhausted", True),
    "ENFILE": ("fd_exhausted", True),
    "ENOMEM": ("host_out_of_memory", False),
    "EROFS": ("permission", False),
    "EACCES": ("permission", False),
    "EPERM": ("permission", False),
    "EIO": ("storage_fault", False),
    "ESTALE": ("storage_fault", True),
    "ENAMETOOLONG": ("invalid_value", False),
    "EXDEV": ("bug", False),
    "ETXTBSY": ("resource_exhausted", True),
    "ENOENT": ("not_found", False),
    "EISDIR": ("bug", False),
    "ENOTDIR": ("bug", False),
    "EEXIST": ("conflict", False),
    "EAGAIN": ("resource_exhausted", True),
    "EINTR": ("resource_exhausted", True),
    "ECHILD": ("process_crashed", True),
    "ESRCH": ("process_crashed", True),
    "EBUSY": ("resource_exhausted", True),
    "ENOBUFS": ("resource_exhausted", True),
    "EFBIG": ("payload_too_large", False),
    "EMSGSIZE": ("payload_too_large", False),
    "ENOEXEC": ("misconfiguration", False),
    "EAFNOSUPPORT": ("misconfiguration", False),
    "EBADF": ("bug", False),
}


@pytest.mark.parametrize("name", ERRNOS)
def test_an_error_of_the_operating_system_by_its_number(name: str, judge: Judge) -> None:
    kind, retryable = ERRNOS[name]
    number = getattr(errno, name)
    judge(OSError(number, os.strerror(number)), kind, retryable=retryable)


# --- sockets


def test_sockets_as_they_fail(judge: Judge) -> None:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        one.listen(1)
        judge(raised(lambda: two.bind(one.getsockname())), "resource_exhausted", retryable=True)
        judge(raised(lambda: two.bind(("192.0.2.1", 0))), "resource_exhausted", retryable=True)
        judge(raised(lambda: two.send(b"x")), "connection", retryable=True)
        one.settimeout(0.01)
        judge(raised(one.accept), "timeout", retryable=True)
        one.setblocking(False)
        judge(raised(one.accept), "resource_exhausted", retryable=True)
    nobody = ("127.0.0.1", closed_port())
    exc = raised(lambda: socket.create_connection(nobody, timeout=5))
    judge(exc, "connection", retryable=True, outcome="refused")


def test_names_as_they_are_not_resolved(judge: Judge) -> None:
    exc = raised(lambda: socket.getaddrinfo("nothing.invalid", 80))
    judge(exc, "dns", retryable=True, outcome="refused")
    again = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    judge(again, "dns", retryable=True, outcome="refused")
    exc = raised(lambda: socket.getaddrinfo("127.0.0.1", "no-such-service"))
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


def test_the_reader_of_a_pipe_is_gone(judge: Judge) -> None:
    read, write = os.pipe()
    os.close(read)
    exc = raised(lambda: os.write(write, b"x"))
    os.close(write)
    assert isinstance(exc, BrokenPipeError)
    judge(exc, "connection", retryable=True)


# --- asyncio, futures, queues


def test_asyncio_as_it_fails(judge: Judge) -> None:
    async def late() -> None:
        await asyncio.wait_for(asyncio.sleep(5), timeout=0.01)

    async def cancelled() -> None:
        task = asyncio.ensure_future(asyncio.sleep(5))
        await asyncio.sleep(0)
        task.cancel()
        await task

    async def ends(read: Callable[[asyncio.StreamReader], Any]) -> None:
        reader = asyncio.StreamReader(limit=8)
        reader.feed_data(b"x" * 16)
        reader.feed_eof()
        await read(reader)

    async def twice() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_result(1)
        future.set_result(2)

    async def full() -> None:
        box: asyncio.Queue[int] = asyncio.Queue(1)
        box.put_nowait(1)
        box.put_nowait(2)

    def run(body: Callable[[], Any]) -> BaseException:
        return raised(lambda: asyncio.run(body()))

    judge(run(late), "timeout", retryable=True, outcome="open")
    judge(run(cancelled), "cancelled", retryable=False)
    judge(run(lambda: ends(lambda r: r.readexactly(99))), "connection", retryable=True)
    judge(run(lambda: ends(lambda r: r.readuntil(b"\n"))), "payload_too_large", retryable=False)
    judge(run(twice), "bug", retryable=False)
    judge(run(full), "resource_exhausted", retryable=True, outcome="refused")

    async def inner() -> None:
        coroutine = late()
        try:
            asyncio.run(coroutine)
        finally:
            coroutine.close()

    judge(run(inner), "bug", retryable=False)
    loop = asyncio.new_event_loop()
    loop.close()
    judge(raised(lambda: loop.call_soon(int)), "bug", retryable=False)


def test_futures_and_queues_as_they_fail(judge: Judge) -> None:
    future: Future[int] = Future()
    judge(raised(lambda: future.result(timeout=0.01)), "timeout", retryable=True)
    future.cancel()
    judge(raised(future.result), "cancelled", retryable=False)
    judge(raised(lambda: future.set_result(1)), "bug", retryable=False)
    judge(raised(lambda: queue.Queue().get(timeout=0.01)), "timeout", retryable=True)
    box: queue.Queue[int] = queue.Queue(1)
    box.put(1)
    judge(raised(lambda: box.put(2, timeout=0.01)), "resource_exhausted", retryable=True)
    barrier = threading.Barrier(2)
    judge(raised(lambda: barrier.wait(0.01)), "dependency_failed", retryable=True)

    def fail() -> None:
        raise KeyError("x")

    with ThreadPoolExecutor(1, initializer=fail) as pool:
        exc = raised(pool.submit(int).result)
    assert isinstance(exc, concurrent.futures.BrokenExecutor)
    judge(exc, "bug", retryable=False)


# --- what Python itself raises

MISTAKES: dict[str, Callable[[], Any]] = {
    "TypeError": lambda: int(None),  # type: ignore[call-overload]
    "AttributeError": lambda: object().x,  # type: ignore[attr-defined]
    "NameError": lambda: eval("x"),
    "UnboundLocalError": lambda: exec("def f():\n    x\n    x = 1\nf()", {}),
    "KeyError": lambda: {}["x"],
    "IndexError": lambda: list[int]()[0],
    "AssertionError": lambda: exec("assert 0"),
    "NotImplementedError": lambda: _not_implemented(),
    "SyntaxError": lambda: compile("(", "x", "exec"),
    "StopIteration": lambda: next(iter(())),
    "BufferError": lambda: _exported(),
    "SystemError": lambda: _broken_call(),
}


def _not_implemented() -> None:
    raise NotImplementedError


def _exported() -> None:
    data = bytearray(8)
    with memoryview(data):
        data.append(1)


def _broken_call() -> None:
    raise SystemError("error return without exception set")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_code_is_a_bug(name: str, judge: Judge) -> None:
    exc = raised(MISTAKES[name])
    assert type(exc).__name__ == name
    judge(exc, "bug", retryable=False, outcome="open", category="code")


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (lambda: 1 / 0, "invalid_value"),
        (lambda: 10.0**1000, "invalid_value"),
        (lambda: int("x"), "invalid_value"),
        (lambda: float("x"), "invalid_value"),
        (lambda: max([]), "empty_data"),
        (lambda: int(float("nan")), "missing_value"),
        (lambda: b"\xff".decode("utf-8"), "encoding_error"),
        (lambda: "\u20ac".encode("ascii"), "encoding_error"),
        (lambda: b"x".decode("utf-88"), "encoding_error"),
    ],
)
def test_a_value_that_cannot_be_is_data(what: Callable[[], Any], kind: str, judge: Judge) -> None:
    judge(raised(what), kind, retryable=False, category="data", stage="ingestion")


def test_a_package_that_is_not_there_is_a_wrong_setting(judge: Judge) -> None:
    for name in ("no_such_package_at_all", "json.no_such_module"):
        judge(raised(lambda name=name: __import__(name)), "misconfiguration", retryable=False)
    exc = raised(lambda: exec("from json import no_such_name"))
    judge(exc, "misconfiguration", retryable=False)


def test_who_wants_to_stop_is_no_failure(judge: Judge) -> None:
    judge(raised(lambda: sys.exit(1)), "cancelled", retryable=False)
    judge(KeyboardInterrupt(), "cancelled", retryable=False)
    judge(GeneratorExit(), "control_flow", retryable=False)
    killed = raised(lambda: signal.raise_signal(signal.SIGINT))
    judge(killed, "cancelled", retryable=False)


def test_an_error_that_python_says_nothing_about_is_unknown(judge: Judge) -> None:
    judge(RuntimeError("the flux is out of phase"), "unknown", retryable=True, outcome="open")


# --- all classes that these modules have

_MODULES = (
    *("asyncio.exceptions", "asyncio.queues", "concurrent.futures", "concurrent.futures.process"),
    *("concurrent.futures.thread", "multiprocessing.context", "multiprocessing.pool", "queue"),
    *("subprocess", "socket", "ssl", "smtplib", "urllib.error", "http.client", "json.decoder"),
    *("csv", "zipfile", "gzip", "zlib", "bz2", "lzma", "tarfile", "struct", "binascii", "pickle"),
    *("shutil", "threading", "configparser", "xml.etree.ElementTree", "xml.parsers.expat"),
)
# Bases that say nothing, and what never leaves its module.
_EXCUSED = frozenset(
    (
        *("concurrent.futures._base.Error", "concurrent.futures._base.BrokenExecutor"),
        *("concurrent.futures.process._RemoteTraceback", "multiprocessing.pool.RemoteTraceback"),
        *("multiprocessing.context.ProcessError", "multiprocessing.process.AuthenticationError"),
        *("subprocess.SubprocessError", "smtplib.SMTPException", "http.client.HTTPException"),
        # by their numbers and texts
        *("smtplib.SMTPResponseException", "smtplib.SMTPSenderRefused", "smtplib.SMTPDataError"),
        *("smtplib.SMTPHeloError", "smtplib.SMTPAuthenticationError", "smtplib.SMTPConnectError"),
        *("urllib.error.HTTPError", "shutil.Error"),
        *("socket._GiveupOnSendfile", "shutil._GiveupOnFastCopy", "pickle._Stop"),
        "asyncio.exceptions.SendfileNotAvailableError",
    )
)


@pytest.mark.parametrize("module", _MODULES)
def test_every_exception_of_the_standard_librarys_modules_is_known(
    module: str, catalog: Catalog
) -> None:
    library = Library("stdlib", (module, "_struct", "_csv", "_lzma"), _EXCUSED, frozenset())
    assert unknown(library, catalog) == []
