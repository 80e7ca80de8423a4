"""What Prefect, Airflow, Celery, Temporal and Dagster raise: their control flow passes through, their
word that something must not be tried again is kept, and what they wrap decides.

The tables say what each exception must be judged as. They were written before the rules, from the
installed libraries and their documentation.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pickle
import signal
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from surefoot.catalog import Catalog
from surefoot.catalog.examples import build
from surefoot.classify import classify
from tests.rules.conftest import Judge
from tests.rules.servers import closed_port


def _of(name: str) -> Any:
    """A module, a class or a function by its full name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def _from(exc: BaseException, cause: BaseException) -> BaseException:
    """``exc``, raised from ``cause``."""
    exc.__cause__ = cause
    return exc


def _raised(fn: Callable[[], Any]) -> BaseException:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BaseException) as raised:
            fn()
    return raised.value


def _tells(module: str, table: list[tuple[Any, ...]]) -> Any:
    """One test a row: the class's name, its arguments, the kind, whether it is worth a retry."""
    return pytest.mark.parametrize(
        ("name", "arguments", "kind", "retryable"),
        [(f"{module}.{row[0]}" if "." not in row[0] else row[0], *row[1:]) for row in table],
        ids=[row[0].rpartition(".")[2] for row in table],
    )


# --- Prefect

PREFECT: list[tuple[str, tuple[Any, ...], str, bool]] = [
    ("Pause", (), "control_flow", False),
    ("Abort", (), "control_flow", False),
    ("PausedRun", (), "control_flow", False),
    ("TerminationSignal", (15,), "cancelled", False),
    ("CancelledRun", ("x",), "cancelled", False),
    ("FailedRun", ("x",), "dependency_failed", True),
    ("CrashedRun", ("x",), "process_crashed", True),
    ("UnfinishedRun", ("x",), "conflict", True),
    ("UpstreamTaskError", ("x",), "dependency_failed", False),
    ("MissingResult", ("x",), "not_found", False),
    ("FlowRunWaitTimeout", ("x",), "timeout", True),
    ("FlowPauseTimeout", ("x",), "deadline_exceeded", False),
    ("ObjectNotFound", (ValueError(),), "not_found", False),
    ("ObjectAlreadyExists", (ValueError(),), "duplicate", False),
    ("ObjectLimitReached", (ValueError(),), "quota_exhausted", False),
    ("ObjectUnsupported", (ValueError(),), "permission", False),
    ("ProtectedBlockError", ("x",), "permission", False),
    ("InfrastructureNotFound", ("x",), "not_found", False),
    ("InfrastructureNotAvailable", ("x",), "misconfiguration", False),
    ("ParameterTypeError", ("x",), "invalid_value", False),
    ("ParameterBindError", ("x",), "bug", False),
    ("SignatureMismatchError", ("x",), "bug", False),
    ("ReservedArgumentError", ("x",), "bug", False),
    ("MappingLengthMismatch", ("x",), "bug", False),
    ("MappingMissingIterable", ("x",), "bug", False),
    ("MissingContextError", ("x",), "bug", False),
    ("SerializationError", ("x",), "bug", False),
    ("HashError", ("x",), "bug", False),
    ("InvalidNameError", ("x",), "bug", False),
    ("NotPausedError", ("x",), "conflict", False),
    ("MissingFlowError", ("x",), "misconfiguration", False),
    ("UnspecifiedFlowError", ("x",), "misconfiguration", False),
    ("MissingProfileError", ("x",), "misconfiguration", False),
    ("ProfileSettingsValidationError", ([],), "misconfiguration", False),
    ("ConfigurationError", ("x",), "misconfiguration", False),
    ("InvalidRepositoryURLError", ("x",), "misconfiguration", False),
    ("BlockMissingCapabilities", ("x",), "misconfiguration", False),
    ("PrefectImportError", ("x",), "misconfiguration", False),
    ("EventTooLarge", (9, 1), "payload_too_large", False),
    ("ScriptError", (ValueError("x"), "flow.py"), "misconfiguration", False),
    ("prefect.blocks.core.UnknownBlockType", ("x",), "misconfiguration", False),
    ("prefect.blocks.core.InvalidBlockRegistration", ("x",), "bug", False),
    ("prefect.blocks.core.BlockNotSavedError", ("x",), "bug", False),
    ("prefect.blocks.abstract.NotificationError", ("x",), "dependency_failed", True),
]


@_tells("prefect.exceptions", PREFECT)
def test_prefects_exceptions_are_known(
    name: str, arguments: tuple[Any, ...], kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_of(name)(*arguments), kind, retryable=retryable)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (401, "auth", False),
        (403, "permission", False),
        (409, "conflict", True),
        (422, "invalid_request", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (503, "overloaded", True),
    ],
)
def test_prefects_api_goes_by_its_status(
    status: int, kind: str, retryable: bool, judge: Judge
) -> None:
    import httpx

    request = httpx.Request("POST", "http://127.0.0.1/api")
    response = httpx.Response(status, json={"detail": "x"}, request=request)
    raw = httpx.HTTPStatusError("x", request=request, response=response)
    exc = _of("prefect.exceptions.PrefectHTTPStatusError").from_httpx_error(raw)
    judge(exc, kind, retryable=retryable)


def test_a_script_that_prefect_cannot_load_says_why(judge: Judge) -> None:
    inner = PermissionError(13, "Permission denied")
    exc = _from(_of("prefect.exceptions.ScriptError")(inner, "flow.py"), inner)
    judge(exc, "permission", retryable=False)


# --- Airflow

AIRFLOW: list[tuple[str, tuple[Any, ...], str, bool]] = [
    ("AirflowSkipException", ("x",), "control_flow", False),
    ("AirflowRescheduleException", ("2026-01-01",), "control_flow", False),
    ("AirflowTaskTerminated", ("x",), "cancelled", False),
    ("AirflowTaskTimeout", ("x",), "timeout", True),
    ("AirflowSensorTimeout", ("x",), "timeout", False),
    ("AirflowFailException", ("x",), "dependency_failed", False),
    ("AirflowException", ("the job failed",), "dependency_failed", True),
    ("TaskDeferralTimeout", ("x",), "timeout", True),
    ("TaskDeferralError", ("x",), "dependency_failed", True),
    ("XComNotFound", ("d", "t", "k"), "not_found", False),
    ("XComForMappingNotPushed", (), "not_found", False),
    ("UnmappableXComTypePushed", (3,), "schema_mismatch", False),
    ("ParamValidationError", ("x",), "invalid_value", False),
    ("AirflowNotFoundException", ("the conn_id `x` isn't defined",), "misconfiguration", False),
    ("AirflowSecretsBackendAccessDenied", ("x",), "permission", False),
    ("AirflowOptionalProviderFeatureException", ("x",), "misconfiguration", False),
    ("AirflowTimetableInvalid", ("x",), "bug", False),
    ("AirflowDagCycleException", ("x",), "bug", False),
    ("DuplicateTaskIdFound", ("x",), "bug", False),
    ("TaskAlreadyInTaskGroup", ("t", None, "g"), "bug", False),
    ("TaskNotFound", ("x",), "bug", False),
    ("NodeNotFound", ("x",), "bug", False),
    ("FailFastDagInvalidTriggerRule", (), "bug", False),
    ("AirflowInactiveAssetInInletOrOutletException", ([],), "dependency_failed", False),
    ("TaskAlreadyRunningError", ("x",), "run_locked", False),
    ("airflow.exceptions.AirflowBadRequest", ("x",), "invalid_request", False),
    ("airflow.exceptions.AirflowClearRunningTaskException", ("x",), "conflict", False),
    ("airflow.exceptions.AirflowClusterPolicyViolation", ("x",), "misconfiguration", False),
    ("airflow.exceptions.AirflowClusterPolicyError", ("x",), "misconfiguration", False),
    ("airflow.exceptions.AirflowClusterPolicySkipDag", ("x",), "control_flow", False),
    ("airflow.exceptions.AirflowConfigException", ("x",), "misconfiguration", False),
    ("airflow.exceptions.AirflowInternalRuntimeError", ("x",), "server_error", False),
    ("airflow.exceptions.DagNotFound", ("x",), "not_found", False),
    ("airflow.exceptions.DagRunNotFound", ("x",), "not_found", False),
    ("airflow.exceptions.PoolNotFound", ("x",), "misconfiguration", False),
    ("airflow.exceptions.TaskInstanceNotFound", ("x",), "not_found", False),
    ("airflow.exceptions.SerializationError", ("x",), "bug", False),
    ("airflow.exceptions.DeserializationError", ("x",), "bug", False),
    ("airflow.exceptions.DeserializingResultError", ("x",), "corrupt_file", False),
    ("airflow.exceptions.UnknownExecutorException", ("x",), "misconfiguration", False),
    ("airflow.exceptions.ConnectionNotUnique", ("x",), "misconfiguration", False),
    ("airflow.exceptions.VariableNotUnique", ("x",), "misconfiguration", False),
    ("airflow.exceptions.AirflowFileParseException", ("x", "f", []), "parse_error", False),
    ("airflow.exceptions.AirflowUnsupportedFileTypeException", ("x",), "misconfiguration", False),
    ("airflow.exceptions.DagRunTypeNotAllowed", ("x",), "invalid_request", False),
    ("airflow.exceptions.InvalidPartitionKeyError", ("x",), "invalid_request", False),
    ("airflow.exceptions.DagNotPartitionedError", ("x",), "invalid_request", False),
    ("airflow.exceptions.InvalidStatsNameException", ("x",), "bug", False),
    ("airflow.exceptions.NotMapped", ("x",), "bug", False),
]


@_tells("airflow.sdk.exceptions", AIRFLOW)
def test_airflows_exceptions_are_known(
    name: str, arguments: tuple[Any, ...], kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_of(name)(*arguments), kind, retryable=retryable)


def test_a_deferral_passes_through(judge: Judge) -> None:
    deferred = _of("airflow.sdk.exceptions.TaskDeferred")(trigger=None, method_name="x")
    judge(deferred, "control_flow", retryable=False)
    waiting = _of("airflow.sdk.exceptions.TaskAwaitingInput")(method_name="x")
    judge(waiting, "control_flow", retryable=False)
    skipped = _of("airflow.sdk.exceptions.DownstreamTasksSkipped")(tasks=["x"])
    judge(skipped, "control_flow", retryable=False)
    trigger = _of("airflow.sdk.exceptions.DagRunTriggerException")
    judge(trigger.__new__(trigger), "control_flow", retryable=False)


def test_a_dag_run_that_exists_is_a_duplicate(judge: Judge) -> None:
    class Run:
        dag_id = run_id = "x"

    judge(
        _of("airflow.exceptions.DagRunAlreadyExists")(Run()),
        "duplicate",
        retryable=False,
        outcome="refused",
    )


def test_airflows_word_that_a_task_must_not_be_tried_again_goes_before_its_cause(
    judge: Judge,
) -> None:
    limited = build({"type": "openai.RateLimitError", "status": 429, "message": "slow down"})
    exc = _from(_of("airflow.sdk.exceptions.AirflowFailException")("no"), limited)
    judge(exc, "dependency_failed", retryable=False)


def test_what_an_operator_wraps_decides(judge: Judge) -> None:
    exc = _from(_of("airflow.sdk.exceptions.AirflowException")("x"), PermissionError(13, "no"))
    judge(exc, "permission", retryable=False)
    exc = _from(_of("airflow.sdk.exceptions.AirflowException")("x"), ConnectionResetError(104, "x"))
    judge(exc, "connection", retryable=True)


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ("CONNECTION_NOT_FOUND", "misconfiguration", False),
        ("VARIABLE_NOT_FOUND", "misconfiguration", False),
        ("XCOM_NOT_FOUND", "not_found", False),
        ("ASSET_NOT_FOUND", "not_found", False),
        ("DAGRUN_ALREADY_EXISTS", "duplicate", False),
        ("PERMISSION_DENIED", "permission", False),
        ("API_SERVER_ERROR", "server_error", True),
        ("GENERIC_ERROR", "server_error", True),
    ],
)
def test_airflows_task_api_says_what_failed(
    error: str, kind: str, retryable: bool, judge: Judge
) -> None:
    response = _of("airflow.sdk.execution_time.comms.ErrorResponse")(
        error=_of("airflow.sdk.exceptions.ErrorType")[error]
    )
    judge(_of("airflow.sdk.exceptions.AirflowRuntimeError")(response), kind, retryable=retryable)


OLD_AIRFLOW: list[tuple[str, str, bool]] = [
    ("AirflowSkipException", "control_flow", False),
    ("AirflowRescheduleException", "control_flow", False),
    ("TaskDeferred", "control_flow", False),
    ("DagRunTriggerException", "control_flow", False),
    ("DownstreamTasksSkipped", "control_flow", False),
    ("AirflowTaskTerminated", "cancelled", False),
    ("AirflowTaskTimeout", "timeout", False),
    ("AirflowSensorTimeout", "timeout", False),
    ("AirflowFailException", "dependency_failed", False),
    ("AirflowException", "dependency_failed", True),
    ("TaskDeferralError", "dependency_failed", True),
    ("XComNotFound", "not_found", False),
    ("AirflowNotFoundException", "misconfiguration", False),
    ("DagNotFound", "not_found", False),
    ("AirflowConfigException", "misconfiguration", False),
    ("ParamValidationError", "invalid_value", False),
    ("DuplicateTaskIdFound", "bug", False),
    ("NoAvailablePoolSlot", "resource_exhausted", True),
    ("BackfillUnfinished", "dependency_failed", False),
]


@pytest.mark.parametrize(("name", "kind", "retryable"), OLD_AIRFLOW)
def test_airflow_2_has_the_same_exceptions_under_other_names(
    name: str, kind: str, retryable: bool, judge: Judge
) -> None:
    # Airflow 2 cannot be installed beside Airflow 3: stand-ins with the names of its exceptions.py
    base = "airflow.exceptions.AirflowException"
    exc = build(
        {
            "type": f"airflow.exceptions.{name}",
            "bases": [] if name == "AirflowException" else [base],
            "message": "x",
            "attrs": {"status_code": 500},
        }
    )
    judge(exc, kind, retryable=retryable)


# --- Celery, Kombu, billiard, amqp

CELERY: list[tuple[str, tuple[Any, ...], str, bool]] = [
    ("Retry", ("x",), "control_flow", False),
    ("Ignore", (), "control_flow", False),
    ("Reject", ("x",), "control_flow", False),
    ("WorkerShutdown", (0,), "cancelled", False),
    ("WorkerTerminate", (1,), "cancelled", False),
    ("TaskRevokedError", ("revoked",), "cancelled", False),
    ("TimeoutError", ("x",), "timeout", True),
    ("MaxRetriesExceededError", ("x",), "retries_exhausted", False),
    ("ChordError", ("Dependency x raised ValueError('x')",), "dependency_failed", True),
    ("NotRegistered", ("x",), "misconfiguration", False),
    ("QueueNotFound", ("x",), "misconfiguration", False),
    ("ImproperlyConfigured", ("x",), "misconfiguration", False),
    ("AlreadyRegistered", ("x",), "bug", False),
    ("InvalidTaskError", ("x",), "invalid_request", False),
    ("SecurityError", ("x",), "auth", False),
    ("IncompleteStream", ("x",), "connection", True),
    ("BackendGetMetaError", ("x",), "connection", True),
    ("BackendStoreError", ("x",), "connection", True),
    ("CeleryCommandException", ("x", 1), "misconfiguration", False),
    ("billiard.exceptions.SoftTimeLimitExceeded", (), "timeout", False),
    ("billiard.exceptions.TimeLimitExceeded", (1,), "timeout", True),
    ("billiard.exceptions.Terminated", (15,), "cancelled", False),
    ("billiard.exceptions.RestartFreqExceeded", ("5 in 1s",), "process_crashed", False),
    ("billiard.pool.MaybeEncodingError", (ValueError(), "x"), "bug", False),
    ("kombu.exceptions.OperationalError", ("x",), "connection", True),
    ("kombu.exceptions.BatchPublishError", ("x",), "connection", True),
    ("kombu.exceptions.EncodeError", ("x",), "bug", False),
    ("kombu.exceptions.DecodeError", ("x",), "parse_error", False),
    ("kombu.exceptions.ContentDisallowed", ("x",), "misconfiguration", False),
    ("kombu.exceptions.SerializerNotInstalled", ("x",), "misconfiguration", False),
    ("kombu.exceptions.VersionMismatch", ("x",), "misconfiguration", False),
    ("kombu.exceptions.NotBoundError", ("x",), "bug", False),
    ("kombu.exceptions.MessageStateError", ("x",), "bug", False),
    ("kombu.exceptions.ConnectionLimitExceeded", (9,), "too_many_connections", True),
    ("kombu.exceptions.ChannelLimitExceeded", (9,), "too_many_connections", True),
    ("kombu.exceptions.InconsistencyError", ("x",), "conflict", True),
    ("kombu.exceptions.HttpError", (429, "x"), "rate_limited", True),
    ("kombu.exceptions.HttpError", (401, "x"), "auth", False),
    ("amqp.exceptions.ConnectionForced", ("x",), "connection", True),
    ("amqp.exceptions.ConsumerCancelled", ("x",), "connection", True),
    ("amqp.exceptions.RecoverableConnectionError", ("x",), "connection", True),
    ("amqp.exceptions.RecoverableChannelError", ("x",), "connection", True),
    ("amqp.exceptions.Blocked", ("x",), "overloaded", True),
    ("amqp.exceptions.ResourceError", ("x",), "resource_exhausted", True),
    ("amqp.exceptions.ResourceLocked", ("x",), "conflict", True),
    ("amqp.exceptions.InternalError", ("x",), "server_error", True),
    ("amqp.exceptions.MessageNacked", ("x",), "server_error", True),
    ("amqp.exceptions.NoConsumers", ("x",), "dependency_failed", True),
    ("amqp.exceptions.ContentTooLarge", ("x",), "payload_too_large", False),
    ("amqp.exceptions.NotFound", ("no queue 'x' in vhost '/'",), "not_found", False),
    ("amqp.exceptions.AccessRefused", ("access to queue 'x' refused",), "permission", False),
    (
        "amqp.exceptions.AccessRefused",
        ("Login was refused using authentication mechanism PLAIN",),
        "auth",
        False,
    ),
    ("amqp.exceptions.NotAllowed", ("vhost x not found",), "misconfiguration", False),
    (
        "amqp.exceptions.NotAllowed",
        ("connection refused: node connection limit (9) is reached",),
        "too_many_connections",
        True,
    ),
    ("amqp.exceptions.InvalidPath", ("x",), "misconfiguration", False),
    (
        "amqp.exceptions.PreconditionFailed",
        ("inequivalent arg 'durable' for queue 'x'",),
        "misconfiguration",
        False,
    ),
    (
        "amqp.exceptions.PreconditionFailed",
        ("delivery acknowledgement on channel 1 timed out",),
        "timeout",
        False,
    ),
    # the numbers of AMQP look like HTTP's and mean other things: 503 is a wrong command
    ("amqp.exceptions.InvalidCommand", ("x",), "bug", False),
    ("amqp.exceptions.ChannelNotOpen", ("x",), "bug", False),
    ("amqp.exceptions.UnexpectedFrame", ("x",), "bug", False),
    ("amqp.exceptions.FrameError", ("x",), "bug", False),
    ("amqp.exceptions.AMQPNotImplementedError", ("x",), "invalid_request", False),
]


@_tells("celery.exceptions", CELERY)
def test_celerys_exceptions_are_known(
    name: str, arguments: tuple[Any, ...], kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_of(name)(*arguments), kind, retryable=retryable)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 0.", "process_killed"),
        ("Worker exited prematurely: signal 15 (SIGTERM) Job: 0.", "process_killed"),
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 0.", "process_crashed"),
        ("Worker exited prematurely: exitcode 3 Job: 0.", "process_crashed"),
    ],
)
def test_a_lost_worker_was_killed_or_crashed(message: str, kind: str, judge: Judge) -> None:
    judge(_of("billiard.exceptions.WorkerLostError")(message), kind, retryable=True)


def _app(broker: str) -> Any:
    app = _of("celery.Celery")(
        "app", broker=broker, backend="cache+memory://", set_as_current=False
    )
    app.conf.broker_transport_options = {"max_retries": 0}
    return app


def test_a_broker_that_is_not_there_takes_no_task(judge: Judge) -> None:
    for scheme in ("amqp", "redis"):
        app = _app(f"{scheme}://127.0.0.1:{closed_port()}//")
        exc = _raised(lambda app=app: app.send_task("x", retry=False))
        judge(exc, "connection", retryable=True, outcome="refused")


def test_a_task_that_asks_for_a_retry_passes_through(judge: Judge) -> None:
    app = _app("memory://")

    @app.task(bind=True, name="again")
    def again(self: Any) -> None:
        raise self.retry(countdown=5, exc=ConnectionError("x"))

    again.push_request(called_directly=False, is_eager=False, retries=0)
    try:
        judge(_raised(again.run), "control_flow", retryable=False)
    finally:
        again.pop_request()


def test_a_task_without_retries_left_has_used_them_up(judge: Judge) -> None:
    app = _app("memory://")

    @app.task(bind=True, max_retries=0, name="never")
    def never(self: Any) -> None:
        raise self.retry()

    exc = _raised(lambda: never.apply(throw=True).get())
    judge(exc, "retries_exhausted", retryable=False)


def test_a_result_that_does_not_come_is_a_timeout(judge: Judge) -> None:
    app = _app("memory://")
    exc = _raised(lambda: app.AsyncResult("x").get(timeout=0.1, interval=0.05))
    judge(exc, "timeout", retryable=True)


def test_what_kombu_cannot_read_or_write_is_known(judge: Judge) -> None:
    dumps, loads = _of("kombu.serialization.dumps"), _of("kombu.serialization.loads")
    judge(_raised(lambda: dumps(object(), serializer="json")), "bug", retryable=False)
    exc = _raised(lambda: dumps(1, serializer="nope"))
    judge(exc, "misconfiguration", retryable=False)
    exc = _raised(lambda: loads(b"{bad", "application/json", "utf-8"))
    judge(exc, "parse_error", retryable=False)
    pickled = pickle.dumps(1)
    accept = {"application/json"}
    exc = _raised(lambda: loads(pickled, "application/x-python-serialize", "binary", accept=accept))
    judge(exc, "misconfiguration", retryable=False)


def _slow() -> None:
    time.sleep(20)


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exits() -> None:
    os._exit(3)


@pytest.mark.parametrize(
    ("fn", "options", "kind", "retryable"),
    [
        (_slow, {"soft_timeout": 1}, "timeout", False),
        (_slow, {"timeout": 1}, "timeout", True),
        (_killed, {"lost_worker_timeout": 1}, "process_killed", True),
        (_exits, {"lost_worker_timeout": 1}, "process_crashed", True),
    ],
    ids=["soft limit", "hard limit", "killed", "exits"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_happens_to_a_worker_of_billiard_is_known(
    fn: Callable[[], None], options: dict[str, Any], kind: str, retryable: bool, judge: Judge
) -> None:
    pool = _of("billiard.pool.Pool")(1, **options)
    try:
        exc = _raised(lambda: pool.apply_async(fn, ()).get(timeout=30))
    finally:
        pool.terminate()
    exc = getattr(exc, "exc", exc)  # celery takes it out of billiard's ExceptionWithTraceback, too
    judge(exc, kind, retryable=retryable)


# --- Temporal


def _activity_error(cause: BaseException | None, state: str = "RETRY_POLICY_NOT_SET") -> Any:
    exc = _of("temporalio.exceptions.ActivityError")(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="x",
        activity_type="x",
        activity_id="x",
        retry_state=_of("temporalio.exceptions.RetryState")[state],
    )
    exc.__cause__ = cause
    return exc


def _child_error(cause: BaseException | None) -> Any:
    exc = _of("temporalio.exceptions.ChildWorkflowError")(
        "Child Workflow execution failed",
        namespace="x",
        workflow_id="x",
        run_id="x",
        workflow_type="x",
        initiated_event_id=1,
        started_event_id=2,
        retry_state=None,
    )
    exc.__cause__ = cause
    return exc


def _application_error(message: str = "x", **options: Any) -> BaseException:
    exc: BaseException = _of("temporalio.exceptions.ApplicationError")(message, **options)
    return exc


def _timeout_error(name: str) -> BaseException:
    exc: BaseException = _of("temporalio.exceptions.TimeoutError")(
        "activity timeout",
        type=_of("temporalio.exceptions.TimeoutType")[name],
        last_heartbeat_details=[],
    )
    return exc


def _cancelled() -> BaseException:
    exc: BaseException = _of("temporalio.exceptions.CancelledError")()
    return exc


TEMPORAL: list[tuple[str, tuple[Any, ...], str, bool]] = [
    ("CancelledError", (), "cancelled", False),
    ("TerminatedError", ("x",), "cancelled", False),
    ("ServerError", ("x",), "server_error", True),
    ("ApplicationError", ("x",), "dependency_failed", True),
    ("WorkflowAlreadyStartedError", ("i", "t"), "duplicate", False),
    ("ActivityAlreadyStartedError", ("i", "t"), "duplicate", False),
    ("NexusOperationAlreadyStartedError", ("i",), "duplicate", False),
    ("InvalidVersioningOverrideError", (), "misconfiguration", False),
    ("temporalio.client.ScheduleAlreadyRunningError", (), "duplicate", False),
    ("temporalio.client.AsyncActivityCancelledError", (), "cancelled", False),
    ("temporalio.client.WorkflowContinuedAsNewError", ("x",), "control_flow", False),
    ("temporalio.client.WorkflowQueryFailedError", ("x",), "invalid_request", False),
    ("temporalio.client.WorkflowQueryRejectedError", (None,), "conflict", False),
    ("temporalio.client.WorkflowUpdateRPCTimeoutOrCancelledError", (), "timeout", True),
    ("temporalio.workflow.NondeterminismError", ("x",), "bug", False),
    ("temporalio.workflow.ReadOnlyContextError", ("x",), "bug", False),
    ("temporalio.workflow.ContinueAsNewError", (), "control_flow", False),
]


def test_the_delay_that_an_activity_asks_for_is_the_wait(judge: Judge) -> None:
    exc = _application_error(next_retry_delay=timedelta(seconds=45))
    assert judge(exc, "dependency_failed", retryable=True).retry_after == 45


@_tells("temporalio.exceptions", TEMPORAL)
def test_temporals_exceptions_are_known(
    name: str, arguments: tuple[Any, ...], kind: str, retryable: bool, judge: Judge
) -> None:
    cls = _of(name)
    exc = cls.__new__(cls) if name.endswith(".ContinueAsNewError") else cls(*arguments)
    judge(exc, kind, retryable=retryable)


RPC: list[tuple[str, str, bool, str]] = [
    ("CANCELLED", "connection", True, "open"),
    ("UNKNOWN", "server_error", True, "open"),
    ("INVALID_ARGUMENT", "invalid_request", False, "refused"),
    ("DEADLINE_EXCEEDED", "timeout", True, "open"),
    ("NOT_FOUND", "not_found", False, "refused"),
    ("ALREADY_EXISTS", "duplicate", False, "refused"),
    ("PERMISSION_DENIED", "permission", False, "refused"),
    ("RESOURCE_EXHAUSTED", "rate_limited", True, "refused"),
    ("FAILED_PRECONDITION", "conflict", False, "refused"),
    ("ABORTED", "transaction_conflict", True, "refused"),
    ("OUT_OF_RANGE", "invalid_request", False, "refused"),
    ("UNIMPLEMENTED", "invalid_request", False, "refused"),
    ("INTERNAL", "server_error", True, "open"),
    ("UNAVAILABLE", "connection", True, "open"),
    ("DATA_LOSS", "storage_fault", False, "open"),
    ("UNAUTHENTICATED", "auth", False, "refused"),
]


@pytest.mark.parametrize(("status", "kind", "retryable", "outcome"), RPC)
def test_temporals_calls_go_by_the_status_of_grpc(
    status: str, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    code = _of("temporalio.service.RPCStatusCode")[status]
    exc = _of("temporalio.service.RPCError")("x", code, b"")
    judge(exc, kind, retryable=retryable, outcome=outcome)


@pytest.mark.parametrize(
    ("name", "retryable", "outcome"),
    [
        ("START_TO_CLOSE", True, "open"),
        ("HEARTBEAT", True, "open"),
        ("SCHEDULE_TO_START", False, "refused"),
        ("SCHEDULE_TO_CLOSE", False, "open"),
    ],
)
def test_temporals_own_rule_says_which_timeout_is_tried_again(
    name: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    judge(_timeout_error(name), "timeout", retryable=retryable, outcome=outcome)
    judge(_activity_error(_timeout_error(name)), "timeout", retryable=retryable, outcome=outcome)


def test_what_must_not_be_tried_again_is_not(judge: Judge) -> None:
    no = _application_error(non_retryable=True)
    judge(no, "dependency_failed", retryable=False)
    judge(_activity_error(no), "dependency_failed", retryable=False)
    judge(_child_error(_activity_error(no)), "dependency_failed", retryable=False)
    limited = build({"type": "openai.RateLimitError", "status": 429, "message": "slow down"})
    judge(
        _from(_application_error(non_retryable=True), limited), "dependency_failed", retryable=False
    )
    refused = _activity_error(_application_error(), "NON_RETRYABLE_FAILURE")
    judge(refused, "dependency_failed", retryable=False)
    server = _of("temporalio.exceptions.ServerError")("x", non_retryable=True)
    judge(server, "server_error", retryable=False)


@pytest.mark.parametrize(
    ("type_", "kind", "retryable"),
    [
        ("TypeError", "bug", False),
        ("KeyError", "bug", False),
        ("ValueError", "invalid_value", False),
        ("PaymentDeclined", "dependency_failed", True),
        (None, "dependency_failed", True),
    ],
)
def test_the_type_of_what_an_activity_raised_counts(
    type_: str | None, kind: str, retryable: bool, judge: Judge
) -> None:
    exc = _application_error(type=type_)
    judge(_activity_error(exc), kind, retryable=retryable)
    failure = _of("temporalio.client.WorkflowFailureError")(cause=_activity_error(exc))
    judge(failure, kind, retryable=retryable)


def test_a_cancellation_is_seen_through_its_wrappers(judge: Judge) -> None:
    for exc in (
        _activity_error(_cancelled()),
        _activity_error(None, "CANCEL_REQUESTED"),
        _child_error(_cancelled()),
        _of("temporalio.client.WorkflowFailureError")(cause=_cancelled()),
        _of("temporalio.client.ActivityFailureError")(cause=_cancelled()),
    ):
        judge(exc, "cancelled", retryable=False)


def test_a_wrapper_alone_says_that_something_failed(judge: Judge) -> None:
    judge(_activity_error(None), "dependency_failed", retryable=True)
    judge(_child_error(None), "dependency_failed", retryable=True)
    update = _of("temporalio.client.WorkflowUpdateFailedError")(_application_error())
    judge(update, "dependency_failed", retryable=True)


def test_a_temporal_server_that_is_not_there_is_worth_another_try(judge: Judge) -> None:
    connect = _of("temporalio.client.Client").connect
    address = f"127.0.0.1:{closed_port()}"

    async def main() -> None:
        await connect(address)

    judge(_raised(lambda: asyncio.run(main())), "connection", retryable=True, outcome="refused")


def test_temporals_own_control_flow_passes_through(judge: Judge) -> None:
    exc = _raised(_of("temporalio.activity.raise_complete_async"))
    judge(exc, "control_flow", retryable=False)
    judge(_raised(_of("temporalio.workflow.now")), "bug", retryable=False)


# --- Dagster


def _dagster(name: str) -> Any:
    return _of(f"dagster.{name}")


def _run(body: Callable[[], Any], **options: Any) -> BaseException:
    """What comes out of a job whose only op is ``body``."""
    op, job = _dagster("op"), _dagster("job")
    made = op(name="it", **options)(body)

    @job(name="all")
    def whole() -> None:
        made()

    return _raised(whole.execute_in_process)


def _raiser(exc: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise exc

    return body


def _wrapped(name: str, exc: Exception) -> BaseException:
    """As dagster's user_code_error_boundary wraps what users' code raises."""
    made: BaseException = _of(f"dagster._core.errors.{name}")(
        "it failed", user_exception=exc, original_exc_info=(type(exc), exc, None), **_step_of(name)
    )
    return _from(made, exc)


def _step_of(name: str) -> dict[str, Any]:
    if name == "DagsterExecutionStepExecutionError":
        return {"step_key": "x", "op_name": "x", "op_def_name": "x"}
    if name == "DagsterResourceFunctionError":
        return {}
    return {"step_key": "x", "output_name": "x"}


def test_dagsters_control_flow_passes_through(judge: Judge) -> None:
    judge(_dagster("RetryRequested")(max_retries=1), "control_flow", retryable=False)
    policy = _of("dagster._core.execution.plan.utils.RetryRequestedFromPolicy")()
    judge(policy, "control_flow", retryable=False)
    interrupted = _of("dagster._core.errors.DagsterExecutionInterruptedError")()
    judge(interrupted, "cancelled", retryable=False)


def test_dagsters_failure_says_whether_it_may_be_tried_again(judge: Judge) -> None:
    failure = _dagster("Failure")
    judge(failure("x"), "dependency_failed", retryable=True)
    judge(failure("x", allow_retries=False), "dependency_failed", retryable=False)
    limited = build({"type": "openai.RateLimitError", "status": 429, "message": "slow down"})
    exc = _from(failure("x", allow_retries=False), limited)
    judge(exc, "dependency_failed", retryable=False)
    exc = _from(failure("x"), PermissionError(13, "no"))
    judge(exc, "permission", retryable=False)


@pytest.mark.parametrize(
    "name",
    [
        "DagsterExecutionStepExecutionError",
        "DagsterExecutionHandleOutputError",
        "DagsterResourceFunctionError",
    ],
)
def test_what_users_code_raised_in_dagster_decides(name: str, judge: Judge) -> None:
    judge(_wrapped(name, ConnectionResetError(104, "reset")), "connection", retryable=True)
    judge(_wrapped(name, PermissionError(13, "no")), "permission", retryable=False)
    judge(_wrapped(name, KeyError("price")), "bug", retryable=False)


def test_what_a_job_of_dagster_raises_is_known(judge: Judge) -> None:
    failure = _dagster("Failure")("x", allow_retries=False)
    judge(_run(_raiser(failure)), "dependency_failed", retryable=False)
    judge(_run(_raiser(ConnectionResetError(104, "reset"))), "connection", retryable=True)
    again = _dagster("RetryRequested")(max_retries=0)
    judge(_run(_raiser(again)), "retries_exhausted", retryable=False)
    wrong = _run(lambda: "x", out=_dagster("Out")(int))
    judge(wrong, "schema_mismatch", retryable=False)


def test_wrong_settings_of_dagster_are_known(judge: Judge) -> None:
    op, job = _dagster("op"), _dagster("job")

    @op(name="it", config_schema={"a": int})
    def it(context):  # type: ignore[no-untyped-def]  # dagster reads the annotation
        raise AssertionError

    @job(name="all")
    def whole() -> None:
        it()

    exc = _raised(
        lambda: whole.execute_in_process(run_config={"ops": {"it": {"config": {"a": "x"}}}})
    )
    judge(exc, "misconfiguration", retryable=False)
    judge(_raised(_dagster("DagsterInstance").get), "misconfiguration", retryable=False)
    judge(_raised(lambda: it()), "bug", retryable=False)
    judge(_raised(lambda: _of("dagster._check.int_param")("x", "p")), "bug", retryable=False)
    schedule = _dagster("ScheduleDefinition")
    judge(_raised(lambda: schedule(job_name="x", cron_schedule="no")), "bug", retryable=False)


DAGSTER: list[tuple[str, str, bool]] = [
    ("DagsterUserCodeUnreachableError", "connection", True),
    ("DagsterUserCodeUnreachableTimeoutError", "timeout", True),
    ("DagsterLaunchFailedError", "dependency_failed", True),
    ("DagsterPipesExecutionError", "dependency_failed", True),
    ("DagsterRunConflict", "conflict", True),
    ("DagsterRunAlreadyExists", "duplicate", False),
    ("DagsterRunTooLargeError", "payload_too_large", False),
    ("DagsterAssetCheckFailedError", "invalid_value", False),
    ("DagsterUnknownPartitionError", "not_found", False),
    ("DagsterSnapshotDoesNotExist", "not_found", False),
    ("DagsterCodeLocationNotFoundError", "misconfiguration", False),
    ("DagsterImportError", "misconfiguration", False),
    ("DagsterUnmetExecutorRequirementsError", "misconfiguration", False),
    ("DagsterInvalidDefinitionError", "bug", False),
    ("DagsterInvariantViolationError", "bug", False),
]


@pytest.mark.parametrize(("name", "kind", "retryable"), DAGSTER)
def test_dagsters_other_errors_are_known(
    name: str, kind: str, retryable: bool, judge: Judge
) -> None:
    judge(_of(f"dagster._core.errors.{name}")("x"), kind, retryable=retryable)


# --- all of them

SIGNALS = [
    "airflow.sdk.exceptions.TaskDeferred",
    "airflow.sdk.exceptions.AirflowTaskTimeout",
    "airflow.sdk.exceptions.AirflowTaskTerminated",
    "prefect.exceptions.Pause",
    "prefect.exceptions.Abort",
    "prefect.exceptions.TerminationSignal",
    "temporalio.workflow.ContinueAsNewError",
    "dagster._core.errors.DagsterExecutionInterruptedError",
]


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_no_exceptions_and_no_rule_makes_them_unknown(
    name: str, catalog: Catalog
) -> None:
    cls = _of(name)
    assert not issubclass(cls, Exception)
    assert classify(cls.__new__(cls), catalog=catalog).rule != "none"


@pytest.mark.parametrize("name", [row[0] for row in PREFECT if row[2] == "control_flow"])
def test_control_flow_passes_through_whatever_it_was_raised_from(name: str, judge: Judge) -> None:
    exc = _from(_of(f"prefect.exceptions.{name}")(), ConnectionResetError(104, "reset"))
    judge(exc, "control_flow", retryable=False)
