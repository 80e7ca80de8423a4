"""Real failures of databases, caches, search engines, vector stores and brokers.

Nothing here is a stand-in: each exception is raised by the installed client, which talks to a closed
port, to a server on loopback that answers or breaks off, or to its own functions that turn a server's
answer into an exception.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from surefoot.catalog import Catalog
from surefoot.classify import classify
from tests.libraries.clients.stores import CALLS
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving

HTTP = sorted(CALLS)


def _failure(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Exception:
    with pytest.raises(Exception) as raised:
        call(*args, **kwargs)
    return raised.value


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


# -- connections that break: the clients over HTTP -----------------------------------------------


@pytest.mark.parametrize("client", HTTP)
def test_a_refused_connection_over_http_is_surely_not_done(client: str, judge: Judge) -> None:
    exc = _failure(CALLS[client], f"http://127.0.0.1:{closed_port()}", False, 5)
    judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", HTTP)
def test_a_name_that_is_not_resolved_over_http_is_dns(client: str, judge: Judge) -> None:
    exc = _failure(CALLS[client], "http://nothing.invalid:9200", False, 5)
    judge(exc, "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", HTTP)
def test_a_certificate_that_is_not_trusted_is_not_tried_again(client: str, judge: Judge) -> None:
    with misbehaving("untrusted") as url:
        judge(_failure(CALLS[client], url, False, 5), "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", HTTP)
@pytest.mark.parametrize("how", ["reset", "close", "truncated", "not_http"])
def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    client: str, how: str, judge: Judge
) -> None:
    with misbehaving(how) as url:
        exc = _failure(CALLS[client], url, False, 5)
        judge(exc, "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", HTTP)
def test_an_answer_that_does_not_come_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("hang") as url:
        exc = _failure(CALLS[client], url, False, 1)
        judge(exc, "timeout", retryable=True, outcome="open")


@pytest.mark.parametrize("client", HTTP)
def test_a_proxys_page_instead_of_an_answer_is_the_servers_fault(client: str, judge: Judge) -> None:
    with misbehaving("page") as url:
        exc = _failure(CALLS[client], url, False, 5)
        judge(exc, "server_error", retryable=True, outcome="open")


# -- redis: a server that speaks RESP -------------------------------------------------------------


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on 127.0.0.1, each connection with a thread of its own: its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

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
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(0.5)


@contextmanager
def _resp(answer: bytes, greeting: bytes = b"+OK\r\n") -> Iterator[int]:
    """A server that speaks RESP: it takes the handshake well and answers the rest. Its port."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(65_536):
                for command in data.upper().split(b"\r\n*"):  # each command is an array
                    if b"HELLO" in command:
                        client.sendall(b"-ERR unknown command 'HELLO'\r\n")
                    elif any(name in command for name in (b"CLIENT", b"SELECT", b"AUTH")):
                        client.sendall(greeting)
                    else:
                        client.sendall(answer)

    with _listening(serve) as port:
        yield port


def _once(of: str = "redis") -> Any:
    """No retries of the client's own."""
    from importlib import import_module

    from redis.backoff import NoBackoff

    return import_module(f"{of}.retry").Retry(NoBackoff(), 0)


def _redis(port: int, **options: Any) -> Any:
    import redis

    options = {"socket_timeout": 5, "protocol": 2, **options}
    return redis.Redis(host="127.0.0.1", port=port, retry=_once(), **options)


def _asked(answer: str) -> Exception:
    with _resp(answer.encode() + b"\r\n") as port, _redis(port) as client:
        return _failure(client.get, "a")


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        ("-LOADING Redis is loading the dataset in memory", "overloaded", True),
        (
            "-BUSY Redis is busy running a script. You can only call SCRIPT KILL",
            "overloaded",
            True,
        ),
        ("-OOM command not allowed when used memory > 'maxmemory'.", "host_out_of_memory", False),
        ("-READONLY You can't write against a read only replica.", "connection", True),
        ("-NOAUTH Authentication required.", "auth", False),
        ("-WRONGPASS invalid username-password pair or user is disabled.", "auth", False),
        ("-ERR invalid password", "auth", False),
        ("-NOPERM this user has no permissions to run the 'get' command", "permission", False),
        ("-DENIED Redis is running in protected mode because", "permission", False),
        (
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
            "bug",
            False,
        ),
        ("-MOVED 3999 127.0.0.1:6381", "connection", True),
        ("-ASK 3999 127.0.0.1:6381", "connection", True),
        ("-TRYAGAIN Multiple keys request during rehashing of slot", "conflict", True),
        ("-CLUSTERDOWN Hash slot not served", "overloaded", True),
        ("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data", "overloaded", True),
        ("-CROSSSLOT Keys in request don't hash to the same slot", "bug", False),
        ("-NOSCRIPT No matching script. Please use EVAL.", "not_found", False),
        (
            "-EXECABORT Transaction discarded because of previous errors.",
            "invalid_request",
            False,
        ),
        ("-NOREPLICAS Not enough good replicas to write.", "overloaded", True),
        (
            "-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist",
            "storage_fault",
            False,
        ),
        (
            "-MISCONF Errors writing to the AOF file: No space left on device",
            "disk_full",
            False,
        ),
        ("-ERR max number of clients reached", "too_many_connections", True),
        ("-ERR unknown command 'JSON.GET', with args beginning with:", "misconfiguration", False),
        ("-ERR value is not an integer or out of range", "invalid_value", False),
        ("-ERR hash value is not an integer", "invalid_value", False),
        ("-ERR no such key", "not_found", False),
        ("-ERR syntax error", "invalid_request", False),
        (
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            "payload_too_large",
            False,
        ),
        ("-BUSYGROUP Consumer Group name already exists", "duplicate", False),
        ("-NOGROUP No such key 'a' or consumer group 'b'", "not_found", False),
        ("-ERR DB index is out of range", "misconfiguration", False),
        (
            "-ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.",
            "quota_exhausted",
            False,
        ),
        ("-ERR problem with LDAP service", "dependency_failed", True),
    ],
)
def test_what_redis_answers_did_nothing(
    reply: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_asked(reply), kind, retryable=retryable, outcome="refused")


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        (
            "-UNBLOCKED force unblock from blocking operation, instance state changed",
            "connection",
            True,
        ),
        ("-ERR Error running script (call to f_1): @user_script:1: oh", "bug", False),
        ("-Timeout limit was reached", "timeout", True),
        ("-upstream failure", "connection", True),
        ("?what is this", "connection", True),
    ],
)
def test_what_redis_answers_in_the_middle_leaves_it_open(
    reply: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_asked(reply), kind, retryable=retryable, outcome="open")


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        ("-WRONGTYPE Operation against a key holding the wrong kind of value", "bug", False),
        ("-BUSY Redis is busy running a script.", "overloaded", True),
        ("-NOREPLICAS Not enough good replicas to write.", "overloaded", True),
        ("-READONLY You can't write against a read only replica.", "connection", True),
        ("-ERR syntax error", "invalid_request", False),
        ("-ERR value is not an integer or out of range", "invalid_value", False),
        ("-OOM command not allowed when used memory > 'maxmemory'.", "host_out_of_memory", False),
    ],
)
def test_an_answer_of_redis_in_a_pipeline_leaves_open_what_the_others_did(
    reply: str, kind: str, retryable: bool, judge: Judge
) -> None:
    with _resp(reply.encode() + b"\r\n") as port, _redis(port) as client:
        exc = _failure(client.pipeline(transaction=False).get("a").get("b").execute)
    assert "of pipeline caused error: " in str(exc)
    judge(exc, kind, retryable=retryable, outcome="open")


def test_credentials_that_redis_refuses_on_connecting_are_no_lost_connection(judge: Judge) -> None:
    import redis

    with (
        _resp(b"+OK\r\n", greeting=b"-WRONGPASS invalid username-password pair\r\n") as port,
        _redis(port, username="x", password="y") as client,
    ):
        exc = _failure(client.get, "a")
    assert isinstance(exc, redis.ConnectionError)
    judge(exc, "auth", retryable=False, outcome="refused")


@pytest.mark.parametrize("how", ["reset", "close"])
def test_redis_is_cut_off(how: str, judge: Judge) -> None:
    with misbehaving(how) as url, _redis(_port(url)) as client:
        judge(_failure(client.get, "a"), "connection", retryable=True, outcome="open")


def test_redis_waits_in_vain_and_its_timeout_is_not_the_builtin_one(judge: Judge) -> None:
    with misbehaving("hang") as url:
        with _redis(_port(url), socket_timeout=0.2) as client:
            exc = _failure(client.get, "a")
    assert not isinstance(exc, TimeoutError)
    judge(exc, "timeout", retryable=True, outcome="open")


def test_redis_is_refused(judge: Judge) -> None:
    import redis

    with _redis(closed_port()) as client:
        exc = _failure(client.get, "a")
    assert not isinstance(exc, ConnectionError)
    judge(exc, "connection", retryable=True, outcome="refused")
    client = redis.asyncio.Redis(host="127.0.0.1", port=closed_port(), retry=_once("redis.asyncio"))
    exc = _failure(asyncio.run, client.get("a"))
    judge(exc, "connection", retryable=True, outcome="refused")


def test_redis_finds_no_host_and_no_socket(tmp_path: Path, judge: Judge) -> None:
    import redis

    with redis.Redis(host="nothing.invalid", retry=_once()) as client:
        judge(_failure(client.get, "a"), "dns", retryable=True, outcome="refused")
    with redis.Redis(unix_socket_path=str(tmp_path / "no.sock"), retry=_once()) as client:
        judge(_failure(client.get, "a"), "connection", retryable=True, outcome="refused")


def test_redis_does_not_trust_a_certificate(judge: Judge) -> None:
    with misbehaving("untrusted") as url, _redis(_port(url), ssl=True) as client:
        judge(_failure(client.get, "a"), "tls", retryable=False, outcome="refused")


def test_an_empty_pool_of_redis_is_worth_a_wait(judge: Judge) -> None:
    import redis

    with _resp(b"+OK\r\n") as port:
        for pool in (
            redis.ConnectionPool(host="127.0.0.1", port=port, protocol=2, max_connections=1),
            redis.BlockingConnectionPool(
                host="127.0.0.1", port=port, protocol=2, max_connections=1, timeout=0.05
            ),
        ):
            taken = pool.get_connection()
            exc = _failure(pool.get_connection)
            judge(exc, "too_many_connections", retryable=True, outcome="refused")
            pool.release(taken)
            pool.disconnect()


def test_a_lock_of_redis_that_another_holds_is_worth_a_wait(judge: Judge) -> None:
    import redis.lock

    with _resp(b"$-1\r\n") as port, _redis(port) as client:  # SET NX: not set
        exc = _failure(redis.lock.Lock(client, "a", blocking_timeout=0.05).__enter__)
        judge(exc, "db_locked", retryable=True, outcome="refused")
        exc = _failure(redis.lock.Lock(client, "a").release)
        judge(exc, "bug", retryable=False)


def test_a_lock_of_redis_that_ran_out_is_no_matter_of_trying_again(judge: Judge) -> None:
    import redis.lock

    with _resp(b":0\r\n") as port, _redis(port) as client:  # the script released nothing
        lock = redis.lock.Lock(client, "a")
        lock.local.token = b"mine"
        judge(_failure(lock.release), "conflict", retryable=False, outcome="open")


def test_a_value_that_redis_cannot_send_is_a_bug(judge: Judge) -> None:
    with _resp(b"+OK\r\n") as port, _redis(port) as client:
        exc = _failure(client.set, "a", {"b": 1})
    judge(exc, "bug", retryable=False, outcome="refused")


def test_a_cluster_of_redis_that_is_away_or_none(judge: Judge) -> None:
    import redis

    exc = _failure(redis.RedisCluster, host="127.0.0.1", port=closed_port())
    judge(exc, "connection", retryable=True, outcome="refused")
    with _resp(b"-ERR This instance has cluster support disabled\r\n") as port:
        exc = _failure(redis.RedisCluster, host="127.0.0.1", port=port, protocol=2)
    judge(exc, "misconfiguration", retryable=False, outcome="refused")
    exc = _failure(redis.RedisCluster, host="127.0.0.1", port=1, db=3)
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


def test_sentinels_that_know_no_master_are_asked_again(judge: Judge) -> None:
    from redis.sentinel import Sentinel

    sentinels = Sentinel([("127.0.0.1", closed_port())], sentinel_kwargs={"retry": _once()})
    exc = _failure(sentinels.discover_master, "mymaster")
    judge(exc, "connection", retryable=True, outcome="refused")


# -- PyMySQL: numbers ----------------------------------------------------------------------------


def _mysql(number: int, state: str, said: str) -> Exception:
    """The error packet of a server, through the client's own function."""
    from pymysql.err import raise_mysql_exception

    packet = b"\xff" + number.to_bytes(2, "little") + b"#" + state.encode() + said.encode()
    return _failure(raise_mysql_exception, packet)


@pytest.mark.parametrize(
    ("number", "state", "said", "kind", "retryable"),
    [
        (1205, "HY000", "Lock wait timeout exceeded; try restarting transaction", "db_locked", True),
        (1213, "40001", "Deadlock found when trying to get lock", "transaction_conflict", True),
        (3572, "HY000", "Statement aborted because lock(s) could not be acquired", "db_locked", True),
        (1040, "08004", "Too many connections", "too_many_connections", True),
        (1203, "42000", "User x has more than 'max_user_connections'", "too_many_connections", True),
        (1226, "42000", "User 'x' has exceeded 'max_user_connections'", "too_many_connections", True),
        (1226, "42000", "User 'x' has exceeded the 'max_questions' resource", "quota_exhausted", False),
        (1045, "28000", "Access denied for user 'x'@'localhost'", "auth", False),
        (1820, "HY000", "You must reset your password using ALTER USER", "auth_expired", False),
        (1044, "42000", "Access denied for user 'x'@'%' to database 'y'", "permission", False),
        (1142, "42000", "SELECT command denied to user 'x'@'%' for table 't'", "permission", False),
        (1130, "HY000", "Host '10.0.0.1' is not allowed to connect", "permission", False),
        (1290, "HY000", "running with the --read-only option", "permission", False),
        (1049, "42000", "Unknown database 'x'", "misconfiguration", False),
        (1062, "23000", "Duplicate entry '1' for key 't.PRIMARY'", "duplicate", False),
        (1050, "42S01", "Table 't' already exists", "duplicate", False),
        (1048, "23000", "Column 'b' cannot be null", "missing_value", False),
        (1364, "HY000", "Field 'b' doesn't have a default value", "missing_value", False),
        (1452, "23000", "Cannot add or update a child row", "invalid_value", False),
        (3819, "HY000", "Check constraint 't_chk_1' is violated.", "invalid_value", False),
        (1406, "22001", "Data too long for column 'b' at row 1", "invalid_value", False),
        (1264, "22003", "Out of range value for column 'a' at row 1", "invalid_value", False),
        (1366, "HY000", "Incorrect integer value: 'x' for column 'a' at row 1", "invalid_value", False),
        (1366, "HY000", "Incorrect string value: '\\xF0\\x9F' for column 'b'", "encoding_error", False),
        (1292, "22007", "Incorrect date value: 'x' for column 'd' at row 1", "invalid_value", False),
        (1644, "45000", "no more than ten", "invalid_value", False),
        (1146, "42S02", "Table 'x.t' doesn't exist", "schema_mismatch", False),
        (1054, "42S22", "Unknown column 'z' in 'field list'", "schema_mismatch", False),
        (1136, "21S01", "Column count doesn't match value count at row 1", "schema_mismatch", False),
        (1064, "42000", "You have an error in your SQL syntax", "bug", False),
        (1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes", "payload_too_large", False),
        (1390, "HY000", "Prepared statement contains too many placeholders", "payload_too_large", False),
        (1114, "HY000", "The table 't' is full", "disk_full", False),
        (1038, "HY001", "Out of sort memory", "host_out_of_memory", False),
        (1461, "42000", "Can't create more than max_prepared_stmt_count", "resource_exhausted", True),
        (1047, "08S01", "WSREP has not yet prepared node for application use", "overloaded", True),
        (1615, "HY000", "Prepared statement needs to be re-prepared", "conflict", True),
        (3024, "HY000", "maximum execution time exceeded", "timeout", True),
        (4031, "HY000", "disconnected by the server because of inactivity.", "connection", True),
        (1235, "42000", "MySQL doesn't yet support 'x'", "invalid_request", False),
    ],
)  # fmt: skip
def test_what_mysql_rejects_did_nothing(
    number: int, state: str, said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_mysql(number, state, said), kind, retryable=retryable, outcome="refused")


@pytest.mark.parametrize(
    ("number", "state", "said", "kind", "retryable"),
    [
        (1053, "08S01", "Server shutdown in progress", "connection", True),
        (1927, "70100", "Connection was killed", "connection", True),
        (1180, "HY000", "Got error 6 during COMMIT", "transaction_conflict", True),
        (1194, "HY000", "Table './x/t' is marked as crashed", "storage_fault", False),
        (1030, "HY000", "Got error 28 - 'No space left on device' from storage engine", "disk_full", False),
        (1317, "70100", "Query execution was interrupted", "cancelled", False),
        (1105, "HY000", "Unknown error", "server_error", True),
    ],
)  # fmt: skip
def test_what_breaks_off_in_mysql_leaves_it_open(
    number: int, state: str, said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_mysql(number, state, said), kind, retryable=retryable, outcome="open")


def _mysql_connect(**options: Any) -> Exception:
    import pymysql

    options = {"user": "x", "connect_timeout": 1, "read_timeout": 1, **options}
    return _failure(pymysql.connect, **options)


def test_pymysql_does_not_connect(judge: Judge) -> None:
    exc = _mysql_connect(host="127.0.0.1", port=closed_port())
    judge(exc, "connection", retryable=True, outcome="refused")
    judge(_mysql_connect(host="nothing.invalid"), "dns", retryable=True, outcome="refused")


def test_pymysql_is_cut_off_or_waits_in_vain(judge: Judge) -> None:
    greeting = b"\x50\x00\x00\x00\x0a"  # the head of a greeting, and no more of it
    with _sends_at_once(greeting) as port:
        exc = _mysql_connect(host="127.0.0.1", port=port)
        judge(exc, "connection", retryable=True)
    with misbehaving("hang") as url:
        exc = _mysql_connect(host="127.0.0.1", port=_port(url))
        judge(exc, "timeout", retryable=True)


def test_a_mysql_server_that_refuses_before_the_handshake(judge: Judge) -> None:
    said = b"\xff\x10\x04#08004Too many connections"
    packet = len(said).to_bytes(3, "little") + b"\x00" + said
    with _sends_at_once(packet) as port:
        exc = _mysql_connect(host="127.0.0.1", port=port)
    judge(exc, "too_many_connections", retryable=True, outcome="refused")


def test_a_closed_connection_of_pymysql(judge: Judge) -> None:
    import pymysql

    connection = pymysql.Connection(user="x", defer_connect=True)
    exc = _failure(connection.ping, reconnect=False)
    judge(exc, "unknown", retryable=True)
    exc = _failure(connection.query, "select 1")
    judge(exc, "connection", retryable=True, outcome="refused")
    exc = _failure(pymysql.cursors.Cursor(connection).fetchall)
    judge(exc, "bug", retryable=False, outcome="refused")


@contextmanager
def _sends_at_once(raw: bytes) -> Iterator[int]:
    """A server that speaks first and then closes: its port."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(raw)

    with _listening(serve) as port:
        yield port


def test_a_number_of_mysql_counts_through_sqlalchemy(judge: Judge) -> None:
    import pymysql
    import sqlalchemy.exc

    for number, state, kind, retryable in (
        (1213, "40001", "transaction_conflict", True),
        (1205, "HY000", "db_locked", True),
        (1062, "23000", "duplicate", False),
        (1045, "28000", "auth", False),
    ):
        orig = _mysql(number, state, "the server says no")
        exc = sqlalchemy.exc.DBAPIError.instance("select 1", {}, orig, pymysql.err.Error)
        judge(exc, kind, retryable=retryable, outcome="refused")


# -- PyMongo: codes and labels -------------------------------------------------------------------


def _mongo(code: int | None, said: str, *labels: str, **more: Any) -> Exception:
    """A failed command, through the client's own function."""
    from pymongo.helpers_shared import _check_command_response

    response: dict[str, Any] = {"ok": 0, "errmsg": said, **more}
    if code is not None:
        response["code"] = code
    if labels:
        response["errorLabels"] = list(labels)
    return _failure(_check_command_response, response, 25)


@pytest.mark.parametrize(
    ("code", "said", "kind", "retryable"),
    [
        (11000, "E11000 duplicate key error collection: x.t index: _id_", "duplicate", False),
        (48, "Collection x.t already exists.", "duplicate", False),
        (18, "Authentication failed.", "auth", False),
        (13, "not authorized on x to execute command { find: 't' }", "permission", False),
        (13, "command find requires authentication", "auth", False),
        (8000, "bad auth : authentication failed", "auth", False),
        (8000, "user is not allowed to do action [find] on [x.t]", "permission", False),
        (8000, "you are over your space quota, using 513 MB of 512 MB", "quota_exhausted", False),
        (391, "reauthentication required", "auth_expired", False),
        (112, "WriteConflict error: this operation conflicted", "transaction_conflict", True),
        (251, "Transaction 1 has been aborted.", "transaction_conflict", True),
        (24, "Unable to acquire lock within 5ms", "db_locked", True),
        (121, "Document failed validation", "schema_mismatch", False),
        (26, "ns not found", "not_found", False),
        (2, "unknown operator: $mach", "invalid_request", False),
        (59, "no such command: 'findd'", "invalid_request", False),
        (14, "Cannot increment with non-numeric argument", "invalid_value", False),
        (10334, "BSONObj size: 17000000 is invalid.", "payload_too_large", False),
        (292, "Sort exceeded memory limit of 104857600 bytes", "host_out_of_memory", False),
        (100, "Not enough data-bearing nodes", "misconfiguration", False),
        (10107, "not primary", "connection", True),
        (13435, "not primary and secondaryOk=false", "connection", True),
        (
            16500,
            "Error=16500, RetryAfterMs=34, Details='TooManyRequests (429)'",
            "rate_limited",
            True,
        ),
    ],
)
def test_what_mongodb_rejects_did_nothing(
    code: int, said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_mongo(code, said), kind, retryable=retryable, outcome="refused")


@pytest.mark.parametrize(
    ("code", "said", "kind", "retryable"),
    [
        (11600, "interrupted at shutdown", "connection", True),
        (11602, "operation was interrupted by a change of the replica set", "connection", True),
        (91, "The server is in quiesce mode and will shut down", "connection", True),
        (6, "Error connecting to host", "connection", True),
        (50, "operation exceeded time limit", "timeout", True),
        (43, "cursor id 5 not found", "timeout", True),
        (11601, "operation was interrupted", "cancelled", False),
        (1, "internal error", "server_error", True),
        (424, "a code of three digits that nobody knows", "unknown", True),
        (None, "an error without a code", "unknown", True),
    ],
)
def test_what_breaks_off_in_mongodb_leaves_it_open(
    code: int | None, said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_mongo(code, said), kind, retryable=retryable, outcome="open")


def test_a_label_of_mongodb_goes_before_its_code(judge: Judge) -> None:
    exc = _mongo(244, "Transaction too old", "TransientTransactionError")
    judge(exc, "transaction_conflict", retryable=True, outcome="refused")
    exc = _mongo(91, "shutting down", "TransientTransactionError")
    judge(exc, "transaction_conflict", retryable=True, outcome="refused")
    exc = _mongo(50, "commit took too long", "UnknownTransactionCommitResult")
    judge(exc, "connection", retryable=True, outcome="open")
    exc = _mongo(2, "request rejected", "SystemOverloadedError", "RetryableError")
    judge(exc, "overloaded", retryable=True, outcome="refused")


def test_write_errors_and_write_concerns_of_mongodb(judge: Judge) -> None:
    from pymongo.helpers_shared import _check_write_command_response

    def written(**answer: Any) -> Exception:
        return _failure(_check_write_command_response, {"ok": 1, **answer})

    exc = written(writeErrors=[{"index": 0, "code": 11000, "errmsg": "E11000 duplicate key"}])
    judge(exc, "duplicate", retryable=False, outcome="refused")
    exc = written(writeErrors=[{"index": 0, "code": 121, "errmsg": "failed validation"}])
    judge(exc, "schema_mismatch", retryable=False, outcome="refused")
    exc = written(
        writeConcernError={"code": 64, "errmsg": "waiting", "errInfo": {"wtimeout": True}}
    )
    judge(exc, "timeout", retryable=True, outcome="open")
    exc = written(writeConcernError={"code": 91, "errmsg": "shutdown"})
    judge(exc, "connection", retryable=True, outcome="open")


@pytest.mark.parametrize(
    ("codes", "kind", "retryable"),
    [
        ([112, 11000], "duplicate", False),
        ([11000, 121], "duplicate", False),
        ([121], "schema_mismatch", False),
        ([112], "transaction_conflict", True),
        ([16500], "rate_limited", True),
        ([10107], "connection", True),
        ([424], "unknown", True),
    ],
)
def test_in_a_bulk_of_mongodb_the_worst_decides(
    codes: list[int], kind: str, retryable: bool, judge: Judge
) -> None:
    from pymongo.synchronous.bulk import _raise_bulk_write_error

    result = {
        "writeErrors": [{"index": i, "code": code, "errmsg": "x"} for i, code in enumerate(codes)],
        "writeConcernErrors": [],
        "nInserted": 1,
    }
    judge(_failure(_raise_bulk_write_error, result), kind, retryable=retryable, outcome="open")


def _mongo_client(**options: Any) -> Any:
    import pymongo

    return pymongo.MongoClient(
        **{"serverSelectionTimeoutMS": 200, "connectTimeoutMS": 200, **options}
    )


def test_pymongo_finds_no_server(judge: Judge) -> None:
    with _mongo_client(host="127.0.0.1", port=closed_port()) as client:
        exc = _failure(client.x.t.find_one)
        judge(exc, "connection", retryable=True, outcome="refused")
    with _mongo_client(host="nothing.invalid", serverSelectionTimeoutMS=2_000) as client:
        judge(_failure(client.x.t.find_one), "dns", retryable=True, outcome="refused")
    with misbehaving("hang") as url, _mongo_client(host="127.0.0.1", port=_port(url)) as client:
        exc = _failure(client.x.t.find_one)
        judge(exc, "connection", retryable=True, outcome="refused")


def test_pymongo_does_not_trust_a_certificate(judge: Judge) -> None:
    with (
        misbehaving("untrusted") as url,
        _mongo_client(
            host="127.0.0.1", port=_port(url), tls=True, serverSelectionTimeoutMS=2_000
        ) as client,
    ):
        judge(_failure(client.x.t.find_one), "tls", retryable=False, outcome="refused")


def test_wrong_settings_and_wrong_use_of_pymongo(judge: Judge) -> None:
    import pymongo

    for url in ("mongodb://", "http://127.0.0.1", "mongodb://x:y@z@127.0.0.1"):
        exc = _failure(pymongo.MongoClient, url)
        judge(exc, "misconfiguration", retryable=False, outcome="refused")
    client = _mongo_client()
    client.close()
    judge(_failure(client.x.t.find_one), "bug", retryable=False, outcome="refused")
    judge(_failure(lambda: client["a b"]), "bug", retryable=False, outcome="refused")


def test_documents_that_bson_cannot_take(judge: Judge) -> None:
    import bson

    exc = _failure(bson.encode, {"a": object()})
    judge(exc, "invalid_value", retryable=False, outcome="refused")
    exc = _failure(bson.decode, b"\x16\x00\x00\x00\x02hello")
    judge(exc, "corrupt_file", retryable=False, outcome="refused")
    exc = _failure(bson.ObjectId, "not an id")
    judge(exc, "invalid_value", retryable=False, outcome="refused")
    broken = b"\x0e\x00\x00\x00\x02a\x00\x02\x00\x00\x00\xff\x00\x00"
    judge(_failure(bson.decode, broken), "encoding_error", retryable=False, outcome="refused")


# -- psycopg2 and asyncpg ------------------------------------------------------------------------


def _psycopg2(dsn: str) -> Exception:
    import psycopg2

    return _failure(psycopg2.connect, f"{dsn} user=x dbname=y connect_timeout=2")


def test_psycopg2_does_not_connect(tmp_path: Path, judge: Judge) -> None:
    exc = _psycopg2(f"host=127.0.0.1 port={closed_port()}")
    assert getattr(exc, "pgcode", None) is None
    judge(exc, "connection", retryable=True, outcome="refused")
    judge(_psycopg2(f"host={tmp_path}"), "connection", retryable=True, outcome="refused")
    judge(_psycopg2("host=nothing.invalid"), "dns", retryable=True, outcome="refused")
    judge(_psycopg2("hots=127.0.0.1"), "misconfiguration", retryable=False, outcome="refused")
    with misbehaving("hang") as url:
        exc = _psycopg2(f"host=127.0.0.1 port={_port(url)}")
        judge(exc, "timeout", retryable=True, outcome="refused")
    with misbehaving("close") as url:
        exc = _psycopg2(f"host=127.0.0.1 port={_port(url)}")
        judge(exc, "connection", retryable=True)


@contextmanager
def _postgres(state: str, said: str, *, connecting: bool = False) -> Iterator[int]:
    """A server on 127.0.0.1 that speaks PostgreSQL's protocol and refuses each query: its port."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!I", len(body) + 4) + body

    fields = {b"S": "ERROR", b"V": "ERROR", b"C": state, b"M": said}
    error = message(
        b"E", b"".join(key + text.encode() + b"\0" for key, text in fields.items()) + b"\0"
    )
    ready = message(b"Z", b"I")
    settings = b"".join(
        message(b"S", name + b"\0" + value + b"\0")
        for name, value in (
            (b"server_version", b"16.0"),
            (b"client_encoding", b"UTF8"),
            (b"DateStyle", b"ISO, MDY"),  # else psycopg2 asks for it
        )
    )
    welcome = error if connecting else message(b"R", bytes(4)) + settings + ready

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            while True:
                first = client.recv(65_536)
                if first[4:8] != struct.pack("!I", 80_877_103):  # it asks for TLS
                    break
                client.sendall(b"N")
            client.sendall(welcome)
            while not connecting and client.recv(65_536):
                client.sendall(error + ready)

    with _listening(serve) as port:
        yield port


@pytest.mark.parametrize(
    ("state", "kind", "retryable"),
    [
        ("40001", "transaction_conflict", True),
        ("40P01", "transaction_conflict", True),
        ("55P03", "db_locked", True),
        ("53300", "too_many_connections", True),
        ("57P03", "connection", True),
        ("23505", "duplicate", False),
        ("23502", "missing_value", False),
        ("42P01", "schema_mismatch", False),
        ("42601", "bug", False),
        ("42501", "permission", False),
        ("28P01", "auth", False),
        ("53100", "disk_full", False),
    ],
)
def test_a_sqlstate_counts_in_psycopg2_and_asyncpg_alike(
    state: str, kind: str, retryable: bool, judge: Judge
) -> None:
    import asyncpg
    import psycopg2

    with _postgres(state, "the server says no") as port:
        connection = psycopg2.connect(host="127.0.0.1", port=port, user="x", dbname="y")
        exc = _failure(connection.cursor().execute, "select 1")
        connection.close()
        assert exc.pgcode == state  # type: ignore[attr-defined]
        judge(exc, kind, retryable=retryable, outcome="refused")

        async def ask() -> None:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user="x", database="y", ssl=False
            )
            try:
                await connection.execute("select 1")
            finally:
                connection.terminate()

        exc = _failure(lambda: asyncio.run(ask()))
        assert exc.sqlstate == state  # type: ignore[attr-defined]
        judge(exc, kind, retryable=retryable, outcome="refused")


@pytest.mark.parametrize(
    ("state", "said", "kind", "retryable"),
    [
        ("53300", "sorry, too many clients already", "too_many_connections", True),
        ("57P03", "the database system is starting up", "connection", True),
        ("28P01", 'password authentication failed for user "x"', "auth", False),
        ("3D000", 'database "y" does not exist', "misconfiguration", False),
    ],
)
def test_a_postgres_server_that_refuses_a_connection(
    state: str, said: str, kind: str, retryable: bool, judge: Judge
) -> None:
    with _postgres(state, said, connecting=True) as port:
        exc = _psycopg2(f"host=127.0.0.1 port={port}")
        assert getattr(exc, "pgcode", None) is None  # only the text is left
        judge(exc, kind, retryable=retryable, outcome="refused")
        exc = _asyncpg(host="127.0.0.1", port=port, ssl=False)
        judge(exc, kind, retryable=retryable, outcome="refused")


def test_psycopg2s_own_errors(judge: Judge) -> None:
    import psycopg2.pool

    exc = psycopg2.DatabaseError("SSL SYSCALL error: EOF detected\n")
    judge(exc, "connection", retryable=True, outcome="open")
    pool = psycopg2.pool.SimpleConnectionPool(0, 0)
    exc = _failure(pool.getconn)
    judge(exc, "too_many_connections", retryable=True, outcome="refused")
    exc = _failure(psycopg2.extensions.make_dsn, "x", nothing="y")
    judge(exc, "misconfiguration", retryable=False, outcome="refused")
    exc = _failure(psycopg2.extensions.adapt, object())
    judge(exc, "bug", retryable=False, outcome="refused")


def _asyncpg(**options: Any) -> Exception:
    import asyncpg

    return _failure(
        lambda: asyncio.run(asyncpg.connect(user="x", database="y", timeout=1, **options))
    )


def test_asyncpg_does_not_connect(judge: Judge) -> None:
    exc = _asyncpg(host="127.0.0.1", port=closed_port())
    judge(exc, "connection", retryable=True, outcome="refused")
    judge(_asyncpg(host="nothing.invalid"), "dns", retryable=True, outcome="refused")
    with misbehaving("hang") as url:
        exc = _asyncpg(host="127.0.0.1", port=_port(url), ssl=False)
        judge(exc, "timeout", retryable=True)
    with misbehaving("close") as url:
        exc = _asyncpg(host="127.0.0.1", port=_port(url), ssl=False)
        judge(exc, "connection", retryable=True)


def test_wrong_settings_and_wrong_use_of_asyncpg(judge: Judge) -> None:
    import asyncpg

    exc = _asyncpg(dsn="http://127.0.0.1")
    judge(exc, "misconfiguration", retryable=False, outcome="refused")

    async def closed_pool() -> None:
        await asyncpg.create_pool("postgres://x@127.0.0.1/y", min_size=0).acquire()

    judge(_failure(lambda: asyncio.run(closed_pool())), "bug", retryable=False, outcome="refused")


# -- qdrant, chromadb, weaviate: beyond HTTP -----------------------------------------------------


def test_qdrant_in_memory_says_what_is_wrong(judge: Judge) -> None:
    import qdrant_client
    from qdrant_client.models import Distance, VectorParams

    client = qdrant_client.QdrantClient(":memory:")
    client.create_collection("t", VectorParams(size=2, distance=Distance.DOT))
    exc = _failure(client.query_points, "absent", [0.1, 0.2])
    judge(exc, "invalid_value", retryable=False, stage="preprocessing")
    client.close()


def test_qdrant_over_grpc_is_refused(judge: Judge) -> None:
    import qdrant_client

    client = qdrant_client.QdrantClient(
        host="127.0.0.1", grpc_port=closed_port(), prefer_grpc=True, check_compatibility=False
    )
    judge(_failure(client.get_collection, "t"), "connection", retryable=True)
    client.close()


def test_chroma_in_the_process_says_what_is_wrong(judge: Judge) -> None:
    import chromadb

    client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
    exc = _failure(client.get_collection, "absent")
    judge(exc, "not_found", retryable=False, outcome="refused")
    tickets = client.create_collection("tickets", embedding_function=None)
    exc = _failure(client.create_collection, "tickets")
    judge(exc, "duplicate", retryable=False, outcome="refused")
    tickets.add(ids=["a"], embeddings=[[0.1, 0.2]])
    exc = _failure(tickets.add, ids=["b"], embeddings=[[0.1]])
    judge(exc, "schema_mismatch", retryable=False, outcome="refused")
    exc = _failure(tickets.add, ids=["b", "b"], embeddings=[[0.1, 0.2], [0.1, 0.2]])
    judge(exc, "duplicate", retryable=False, outcome="refused")
    client.delete_collection("tickets")


def test_a_client_of_chroma_that_is_made_while_its_server_is_away(judge: Judge) -> None:
    import chromadb

    def made(port: int) -> Exception:
        settings = chromadb.Settings(anonymized_telemetry=False)
        return _failure(chromadb.HttpClient, host="127.0.0.1", port=port, settings=settings)

    exc = made(closed_port())
    assert type(exc) is ValueError  # what was being handled says more
    judge(exc, "connection", retryable=True, outcome="refused")
    with serving() as (url, answer):
        for status, kind, retryable in ((503, "overloaded", True), (401, "auth", False)):
            answer(Answer(status, b"no", {}))
            judge(made(_port(url)), kind, retryable=retryable)


def test_weaviate_does_not_connect(judge: Judge) -> None:
    import weaviate

    exc = _failure(weaviate.connect_to_local, port=closed_port(), grpc_port=closed_port())
    judge(exc, "connection", retryable=True, outcome="refused")


def test_a_closed_client_of_weaviate_is_a_bug(judge: Judge) -> None:
    import weaviate

    params = weaviate.connect.ConnectionParams.from_url("http://127.0.0.1:9", 10)
    client = weaviate.WeaviateClient(params, skip_init_checks=True)
    exc = _failure(client.collections.list_all)
    judge(exc, "bug", retryable=False, outcome="refused")
    client.close()


# -- Elasticsearch and OpenSearch: bulks ---------------------------------------------------------


@pytest.mark.parametrize("client", ["elasticsearch", "opensearchpy"])
@pytest.mark.parametrize(
    ("statuses", "kind", "retryable"),
    [
        ([429, 429], "overloaded", True),
        ([429, 400], "schema_mismatch", False),
        ([409], "conflict", False),
        ([404], "invalid_request", False),
        ([599], "unknown", True),
    ],
)
@pytest.mark.parametrize("operation", ["index", "create", "update", "delete"])
def test_in_a_bulk_of_a_search_engine_the_worst_decides(
    client: str, statuses: list[int], kind: str, retryable: bool, operation: str, judge: Judge
) -> None:
    import importlib

    errors = [{operation: {"_id": "1", "status": status, "error": {}}} for status in statuses]
    helpers = importlib.import_module(f"{client}.helpers")
    judge(helpers.BulkIndexError("2 document(s) failed", errors), kind, retryable=retryable)


# -- Milvus --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "kind", "retryable", "outcome"),
    [
        (1, "service not ready[querynode=1]: Initializing", "overloaded", True, "refused"),
        (3, "memory limit exceeded[predict=3]", "host_out_of_memory", False, "refused"),
        (8, "request is rejected by grpc RateLimiter middleware", "rate_limited", True, "refused"),
        (9, "deny to write, reason: disk quota exceeded", "disk_full", False, "refused"),
        (9, "quota exceeded[reason=memory quota exceeded]", "host_out_of_memory", False, "refused"),
        (100, "collection not found[collection=t]", "not_found", False, "refused"),
        (101, "collection not loaded[collection=t]", "invalid_request", False, "refused"),
        (103, "collection not fully loaded[collection=t]", "overloaded", True, "refused"),
        (109, "collection schema mismatch", "schema_mismatch", False, "refused"),
        (503, "channel not available[channel=c]", "server_error", True, "open"),
        (500, "channel not found[channel=c]", "server_error", True, "open"),
        (700, "index not found[indexName=i]", "not_found", False, "refused"),
        (1100, "invalid parameter[expected=1]", "invalid_request", False, "refused"),
        (
            1100,
            "the dim (3) of field data(v) is not equal to schema dim (4)",
            "schema_mismatch",
            False,
            "refused",
        ),
        (1400, "not authenticated", "auth", False, "refused"),
        (1401, "privilege not permitted", "permission", False, "refused"),
        (1807, "request is rejected by limiter", "rate_limited", True, "refused"),
    ],
)
def test_a_status_of_milvus_is_judged_by_its_code(
    code: int, reason: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    from pymilvus.client.utils import check_status
    from pymilvus.grpc_gen import common_pb2

    status = common_pb2.Status(code=code, reason=reason)
    exc = _failure(check_status, status)
    judge(exc, kind, retryable=retryable, outcome=outcome)


def test_a_new_code_of_milvus_is_judged_by_what_the_server_says_of_it(judge: Judge) -> None:
    from pymilvus.client.utils import check_status
    from pymilvus.grpc_gen import common_pb2

    status = common_pb2.Status(code=2998, reason="new", retriable=True)
    judge(_failure(check_status, status), "server_error", retryable=True, outcome="open")
    status = common_pb2.Status(code=2999, reason="new", extra_info={"is_input_error": "true"})
    exc = _failure(check_status, status)
    judge(exc, "invalid_request", retryable=False, outcome="refused")


def test_milvus_does_not_connect(judge: Judge) -> None:
    import pymilvus

    exc = _failure(pymilvus.MilvusClient, f"http://127.0.0.1:{closed_port()}", timeout=1)
    judge(exc, "connection", retryable=True, outcome="refused")


# -- Kafka ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "retryable", "outcome"),
    [
        ("_TRANSPORT", "connection", True, "open"),
        ("_ALL_BROKERS_DOWN", "connection", True, "open"),
        ("_TIMED_OUT", "timeout", True, "open"),
        ("_MSG_TIMED_OUT", "timeout", True, "open"),
        ("_RESOLVE", "dns", True, "refused"),
        ("_SSL", "tls", False, "refused"),
        ("_AUTHENTICATION", "auth", False, "refused"),
        ("SASL_AUTHENTICATION_FAILED", "auth", False, "refused"),
        ("TOPIC_AUTHORIZATION_FAILED", "permission", False, "refused"),
        ("MSG_SIZE_TOO_LARGE", "payload_too_large", False, "refused"),
        ("UNKNOWN_TOPIC_OR_PART", "misconfiguration", False, "refused"),
        ("_UNKNOWN_TOPIC", "misconfiguration", False, "refused"),
        ("_QUEUE_FULL", "resource_exhausted", True, "refused"),
        ("LEADER_NOT_AVAILABLE", "connection", True, "refused"),
        ("COORDINATOR_LOAD_IN_PROGRESS", "connection", True, "refused"),
        ("COORDINATOR_NOT_AVAILABLE", "connection", True, "refused"),
        ("NOT_COORDINATOR", "connection", True, "refused"),
        ("NOT_ENOUGH_REPLICAS", "overloaded", True, "refused"),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "overloaded", True, "open"),
        ("REQUEST_TIMED_OUT", "timeout", True, "open"),
        ("REBALANCE_IN_PROGRESS", "conflict", True, "refused"),
        ("_MAX_POLL_EXCEEDED", "timeout", True, "open"),
        ("OFFSET_OUT_OF_RANGE", "not_found", False, "refused"),
        ("THROTTLING_QUOTA_EXCEEDED", "rate_limited", True, "refused"),
        ("_FENCED", "conflict", False, "refused"),
        ("INVALID_CONFIG", "misconfiguration", False, "refused"),
        ("TOPIC_ALREADY_EXISTS", "duplicate", False, "refused"),
        ("INVALID_RECORD", "invalid_value", False, "refused"),
        ("UNSUPPORTED_VERSION", "invalid_request", False, "refused"),
        ("_STATE", "bug", False, "refused"),
        ("_PURGE_INFLIGHT", "cancelled", False, "open"),
    ],
)
def test_a_code_of_confluents_client_is_read_by_its_name(
    name: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    from confluent_kafka import KafkaError, KafkaException

    exc = KafkaException(KafkaError(getattr(KafkaError, name)))
    judge(exc, kind, retryable=retryable, outcome=outcome)


def test_every_code_of_confluents_client_is_known(catalog: Catalog) -> None:
    from confluent_kafka import KafkaError, KafkaException

    names = [name for name in dir(KafkaError) if name.isupper()]
    not_errors = {"NO_ERROR", "_ASSIGN_PARTITIONS", "_REVOKE_PARTITIONS"}
    found = {
        name: classify(KafkaException(KafkaError(getattr(KafkaError, name))), catalog=catalog)
        for name in names
    }
    unknown = {name for name, each in found.items() if each.rule == "none"}
    assert len(names) > 150
    assert unknown == not_errors


def test_no_code_of_confluents_client_that_says_retriable_is_given_up(catalog: Catalog) -> None:
    from confluent_kafka import KafkaError, KafkaException

    given_up = set()
    for name in (name for name in dir(KafkaError) if name.isupper()):
        error = KafkaError(getattr(KafkaError, name))
        if error.retriable():
            found = classify(KafkaException(error), catalog=catalog)
            given_up |= {name} if not found.retryable else set()
    assert given_up == set()


def test_a_fatal_error_of_confluents_client_is_not_tried_with_the_same_client(judge: Judge) -> None:
    from confluent_kafka import KafkaError, KafkaException

    exc = KafkaException(KafkaError(KafkaError._FATAL, "x", fatal=True))
    judge(exc, "dependency_failed", retryable=False)
    exc = KafkaException(KafkaError(KafkaError._FENCED, "x", fatal=True))
    judge(exc, "conflict", retryable=False)


def test_confluents_client_meets_nobody(judge: Judge) -> None:
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {"bootstrap.servers": f"127.0.0.1:{closed_port()}", "log_level": 0}, logger=_quiet()
    )
    exc = _failure(client.list_topics, timeout=1)
    judge(exc, "connection", retryable=True)
    exc = _failure(AdminClient, {"nothing": 1})
    judge(exc, "misconfiguration", retryable=False, outcome="refused")


def test_records_that_confluents_client_cannot_read_or_write(judge: Judge) -> None:
    from confluent_kafka.error import ValueDeserializationError, ValueSerializationError
    from confluent_kafka.serialization import IntegerSerializer, StringDeserializer

    exc = _failure(StringDeserializer("utf_8"), b"\xff")
    judge(exc, "schema_mismatch", retryable=False)
    judge(ValueDeserializationError(exc), "corrupt_file", retryable=False)
    exc = _failure(IntegerSerializer(), "x")
    judge(exc, "schema_mismatch", retryable=False, outcome="refused")
    judge(ValueSerializationError(exc), "schema_mismatch", retryable=False, outcome="refused")


def test_answers_of_a_schema_registry(judge: Judge) -> None:
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    for status, code, kind, retryable in (
        (404, 40401, "not_found", False),
        (409, 409, "schema_mismatch", False),
        (422, 42201, "schema_mismatch", False),
        (401, 401, "auth", False),
        (429, 42901, "rate_limited", True),
        (500, 50002, "timeout", True),
        (500, 50003, "server_error", True),
    ):
        judge(SchemaRegistryError(status, code, "x"), kind, retryable=retryable)


OLD_IMPORT = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated:DeprecationWarning")
"""kafka-python reads its own files in the old way when it is imported."""


def _quiet() -> Any:
    import logging

    logger = logging.getLogger("tests.quiet")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


@OLD_IMPORT
@pytest.mark.parametrize(
    ("name", "kind", "retryable", "outcome"),
    [
        ("KafkaConnectionError", "connection", True, "open"),
        ("MetadataEmptyBrokerList", "connection", True, "refused"),
        ("KafkaTimeoutError", "timeout", True, "open"),
        ("RequestTimedOutError", "timeout", True, "open"),
        ("CommitFailedError", "conflict", True, "refused"),
        ("RebalanceInProgressError", "conflict", True, "refused"),
        ("ProducerFencedError", "conflict", False, "refused"),
        ("MessageSizeTooLargeError", "payload_too_large", False, "refused"),
        ("CorruptRecordError", "corrupt_file", False, "open"),
        ("TopicAuthorizationFailedError", "permission", False, "refused"),
        ("SaslAuthenticationFailedError", "auth", False, "refused"),
        ("ThrottlingQuotaExceededError", "rate_limited", True, "refused"),
        ("NotLeaderForPartitionError", "connection", True, "refused"),
        ("CoordinatorNotAvailableError", "connection", True, "refused"),
        ("NotEnoughReplicasError", "overloaded", True, "refused"),
        ("UnknownTopicOrPartitionError", "misconfiguration", False, "refused"),
        ("OffsetOutOfRangeError", "not_found", False, "refused"),
        ("TopicAlreadyExistsError", "duplicate", False, "refused"),
        ("UnsupportedVersionError", "misconfiguration", False, "refused"),
        ("InvalidRequestError", "invalid_request", False, "refused"),
        ("IllegalStateError", "bug", False, "open"),
    ],
)
def test_a_class_of_kafka_python_says_what_it_is(
    name: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    import kafka.errors

    judge(getattr(kafka.errors, name)("x"), kind, retryable=retryable, outcome=outcome)


@OLD_IMPORT
def test_kafka_python_calls_a_missing_topic_retriable_and_hardly_anything_else_is_given_up(
    catalog: Catalog,
) -> None:
    import inspect

    import kafka.errors

    given_up = {
        name
        for name, cls in vars(kafka.errors).items()
        if inspect.isclass(cls)
        and issubclass(cls, kafka.errors.KafkaError)
        and cls.retriable
        and not classify(cls("x"), catalog=catalog).retryable
    }
    assert given_up == {"UnknownTopicOrPartitionError", "UnknownTopicIdError"}


@OLD_IMPORT
def test_kafka_python_meets_nobody(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    import kafka

    made: list[socket.socket] = []

    class Remembered(socket.socket):
        """kafka-python does not close a socket that was refused."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(socket, "socket", Remembered)
    soon = {"bootstrap_timeout_ms": 300, "max_block_ms": 300, "request_timeout_ms": 300}
    exc = _failure(kafka.KafkaProducer, bootstrap_servers=f"127.0.0.1:{closed_port()}", **soon)
    judge(exc, "connection", retryable=True)
    for each in made:
        each.close()


# -- pika ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code", "text", "kind", "retryable", "outcome"),
    [
        ("Connection", 320, "CONNECTION_FORCED - shutdown", "connection", True, "open"),
        ("Connection", 403, "ACCESS_REFUSED - Login was refused", "permission", False, "refused"),
        (
            "Connection",
            530,
            "NOT_ALLOWED - vhost x not found",
            "misconfiguration",
            False,
            "refused",
        ),
        (
            "Connection",
            530,
            "NOT_ALLOWED - access to vhost 'x' refused for user 'y': connection limit (1) is reached",
            "too_many_connections",
            True,
            "refused",
        ),
        ("Connection", 501, "FRAME_ERROR", "bug", False, "open"),
        ("Connection", 541, "INTERNAL_ERROR", "server_error", True, "open"),
        ("Channel", 403, "ACCESS_REFUSED - access to queue", "permission", False, "refused"),
        ("Channel", 404, "NOT_FOUND - no queue 'q'", "misconfiguration", False, "refused"),
        (
            "Channel",
            404,
            "NOT_FOUND - home node 'a' of durable queue 'q' is down or inaccessible",
            "server_error",
            True,
            "refused",
        ),
        ("Channel", 405, "RESOURCE_LOCKED - cannot obtain", "db_locked", True, "refused"),
        (
            "Channel",
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable'",
            "misconfiguration",
            False,
            "refused",
        ),
        (
            "Channel",
            406,
            "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out.",
            "timeout",
            True,
            "open",
        ),
        (
            "Channel",
            406,
            "PRECONDITION_FAILED - message size 9 is larger than configured max size 8",
            "payload_too_large",
            False,
            "refused",
        ),
        ("Channel", 406, "PRECONDITION_FAILED - unknown delivery tag 1", "bug", False, "open"),
    ],
)
def test_a_reply_code_of_rabbitmq(
    who: str, code: int, text: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    import pika.exceptions

    exc = getattr(pika.exceptions, f"{who}ClosedByBroker")(code, text)
    judge(exc, kind, retryable=retryable, outcome=outcome)


def test_messages_that_rabbitmq_gives_back(judge: Judge) -> None:
    from pika.exceptions import NackError, StreamLostError, UnroutableError

    judge(UnroutableError([]), "misconfiguration", retryable=False, outcome="refused")
    judge(NackError([]), "overloaded", retryable=True, outcome="open")
    judge(StreamLostError("lost"), "connection", retryable=True, outcome="open")


def _pika(port: int, host: str = "127.0.0.1") -> Exception:
    import logging

    import pika

    logging.getLogger("pika").setLevel(logging.CRITICAL)
    return _failure(
        pika.BlockingConnection,
        pika.ConnectionParameters(
            host, port, socket_timeout=1, stack_timeout=1, connection_attempts=1
        ),
    )


def test_pika_does_not_connect(judge: Judge) -> None:
    judge(_pika(closed_port()), "connection", retryable=True, outcome="refused")
    judge(_pika(5672, "nothing.invalid"), "dns", retryable=True, outcome="refused")
    with misbehaving("close") as url:
        judge(_pika(_port(url)), "connection", retryable=True)
    with misbehaving("hang") as url:
        judge(_pika(_port(url)), "timeout", retryable=True)
    with misbehaving("not_http") as url:
        judge(_pika(_port(url)), "connection", retryable=True)
