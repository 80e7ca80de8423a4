"""Frameworks in front of models, and what runs models, when they really fail.

What providers answer stands in cases/frameworks.toml. Where a cluster would be needed, its own real
exceptions are made instead.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from tests.libraries.clients.frameworks import CALLS
from tests.rules.conftest import Judge
from tests.rules.servers import Answer, closed_port, misbehaving, serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CLIENTS = ["langchain-openai", "pydantic-ai", "instructor", "openai-agents", "mcp"]
PAGE = b"<!DOCTYPE html><html><head><title>404</title></head></html>" * 20
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"


def failure(do: Any, *args: Any, **kwargs: Any) -> BaseException:
    """What ``do`` raises."""
    with pytest.raises(BaseException) as raised:
        do(*args, **kwargs)
    return raised.value


def _call(client: str, url: str, timeout: float = 20.0) -> BaseException:
    return failure(CALLS[client], url, False, timeout)


# --- broken connections


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refused_connection_is_surely_not_done(client: str, judge: Judge) -> None:
    exc = _call(client, f"http://127.0.0.1:{closed_port()}")
    judge(exc, "connection", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_name_that_is_not_resolved_is_dns(client: str, judge: Judge) -> None:
    judge(_call(client, "http://nothing.invalid"), "dns", retryable=True, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_that_is_not_trusted_is_no_matter_of_trying_again(
    client: str, judge: Judge
) -> None:
    with misbehaving("untrusted") as url:
        judge(_call(client, url), "tls", retryable=False, outcome="refused")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("how", ["reset", "close", "truncated", "chunks", "not_http"])
def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    client: str, how: str, judge: Judge
) -> None:
    with misbehaving(how) as url:
        judge(_call(client, url), "connection", retryable=True, outcome="open")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_does_not_come_leaves_it_open(client: str, judge: Judge) -> None:
    with misbehaving("hang") as url:
        judge(_call(client, url, timeout=0.5), "timeout", retryable=True, outcome="open")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_cannot_be_decompressed_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_gzip") as url:
        judge(_call(client, url), "server_error", retryable=True, outcome="open")


@pytest.mark.parametrize("client", ["pydantic-ai", "mcp"])
def test_a_broken_document_in_place_of_an_answer_is_the_servers_fault(
    client: str, judge: Judge
) -> None:
    with misbehaving("bad_json") as url:
        judge(_call(client, url), "server_error", retryable=True, outcome="open")


# --- langchain-core


def test_an_answer_that_langchain_cannot_parse_is_the_models(judge: Judge) -> None:
    from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
    from pydantic import BaseModel

    class Answer(BaseModel):
        score: int

    parser = PydanticOutputParser(pydantic_object=Answer)
    for text in ("Sure! Here it is", '{"score": "many"}'):
        exc = failure(parser.parse, text)
        judge(exc, "malformed_output", retryable=True, category="model", stage="ingestion")
    judge(failure(JsonOutputParser().parse, "no JSON"), "malformed_output", retryable=True)


def test_a_tool_that_says_what_is_wrong_is_not_asked_the_same_again(judge: Judge) -> None:
    from langchain_core.tools import ToolException, tool

    @tool
    def search(city: str) -> str:
        """Search."""
        raise ToolException("there is no city of this name")

    @tool
    def fetch(city: str) -> str:
        """Fetch."""
        raise ToolException("the service is away") from ConnectionRefusedError(111, "refused")

    judge(failure(search.invoke, {"city": "x"}), "dependency_failed", retryable=False)
    judge(failure(fetch.invoke, {"city": "x"}), "connection", retryable=True, outcome="refused")


def test_a_template_with_a_mistake_is_a_bug(judge: Judge) -> None:
    from langchain_core.prompts import ChatPromptTemplate

    make = ChatPromptTemplate.from_template
    exc = failure(make, "{{#a}}{{/b}}", template_format="mustache")
    judge(exc, "bug", retryable=False)


def test_langchains_errors_without_an_sdk_behind_them_say_what_they_are(judge: Judge) -> None:
    from langchain_core import exceptions

    for cls, kind, retryable in (
        (exceptions.ModelRateLimitError, "rate_limited", True),
        (exceptions.ModelAuthenticationError, "auth", False),
        (exceptions.ModelPermissionDeniedError, "permission", False),
        (exceptions.ModelInvalidRequestError, "invalid_request", False),
        (exceptions.ModelNotFoundError, "model_not_found", False),
        (exceptions.ModelAPIError, "server_error", True),
        (exceptions.ModelConnectionError, "connection", True),
        (exceptions.ModelTimeoutError, "timeout", True),
        (exceptions.ContextOverflowError, "context_length_exceeded", False),
        (exceptions.ModelRefusalError, "content_filtered", False),
    ):
        # langchain says the same itself
        assert cls.is_retryable is retryable
        judge(cls("it failed"), kind, retryable=retryable)


def test_a_langchain_error_steps_back_for_the_sdks(judge: Judge) -> None:
    from langchain_core.exceptions import ModelRateLimitError

    class Spent(Exception):
        status_code = 402

    exc = ModelRateLimitError("too many")
    exc.__cause__ = Spent("pay first")
    judge(exc, "quota_exhausted", retryable=False, outcome="refused")


def test_a_stream_that_falls_silent_is_a_timeout(judge: Judge) -> None:
    from langchain_openai.chat_models._client_utils import (
        StreamChunkTimeoutError,
        _astream_with_chunk_timeout,
    )

    async def silent() -> Any:
        await asyncio.sleep(30)
        yield "too late"

    async def read() -> list[Any]:
        return [each async for each in _astream_with_chunk_timeout(silent(), 0.05)]

    logging.disable(logging.WARNING)
    try:
        exc = failure(asyncio.run, read())
    finally:
        logging.disable(logging.NOTSET)
    assert type(exc) is StreamChunkTimeoutError
    judge(exc, "timeout", retryable=True, outcome="open")


# --- langgraph


class State(TypedDict, total=False):
    n: int


def _graph(*nodes: Any, loop: bool = False, **options: Any) -> Any:
    from langgraph.graph import END, START, StateGraph

    graph = StateGraph(State)
    for index, node in enumerate(nodes):
        graph.add_node(f"node{index}", node, **options)
        graph.add_edge(START, f"node{index}")
        graph.add_edge(f"node{index}", f"node{index}" if loop else END)
    return graph.compile()


def test_a_graph_that_goes_round_used_up_its_budget_and_not_the_stack(judge: Judge) -> None:
    graph = _graph(lambda state: {"n": 1}, loop=True)
    exc = failure(graph.invoke, {"n": 0}, {"recursion_limit": 3})
    assert isinstance(exc, RecursionError)
    judge(exc, "budget_exceeded", retryable=False)


def test_a_real_recursion_in_a_node_is_one_all_the_same(judge: Judge) -> None:
    def deep(state: State) -> Any:
        return deep(state)

    judge(failure(_graph(deep).invoke, {"n": 0}), "recursion_limit", retryable=False)


def test_two_nodes_that_write_the_same_value_are_a_bug(judge: Judge) -> None:
    graph = _graph(lambda state: {"n": 1}, lambda state: {"n": 2})
    judge(failure(graph.invoke, {"n": 0}), "bug", retryable=False)


def test_a_graph_without_input_has_no_data(judge: Judge) -> None:
    exc = failure(_graph(lambda state: {"n": 1}).invoke, None)
    judge(exc, "empty_data", retryable=False, outcome="refused")


def test_a_nodes_own_failure_comes_through(judge: Judge) -> None:
    def node(state: State) -> Any:
        raise ConnectionResetError(104, "Connection reset by peer")

    judge(failure(_graph(node).invoke, {"n": 0}), "connection", retryable=True, outcome="open")


def test_a_node_that_takes_too_long_is_a_timeout(judge: Judge) -> None:
    async def node(state: State) -> Any:
        await asyncio.sleep(30)

    async def run() -> Any:
        return await _graph(node, timeout=0.05).ainvoke({"n": 0})

    judge(failure(asyncio.run, run()), "timeout", retryable=True, outcome="open")


def test_a_node_that_cancels_itself_does_not_end_the_program(judge: Judge) -> None:
    async def node(state: State) -> Any:
        raise asyncio.CancelledError

    async def run() -> Any:
        return await _graph(node).ainvoke({"n": 0})

    judge(failure(asyncio.run, run()), "dependency_failed", retryable=True)


def test_what_steers_a_graph_is_no_failure(judge: Judge) -> None:
    from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt, ParentCommand
    from langgraph.types import Command, Interrupt

    for exc in (
        GraphInterrupt([Interrupt(value="approve?", id="a")]),
        ParentCommand(Command(goto="x")),
        GraphBubbleUp(),
    ):
        judge(exc, "control_flow", retryable=False)
    judge(GraphDrained(), "cancelled", retryable=False)


def test_an_interrupt_is_passed_on_within_a_node(judge: Judge) -> None:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.errors import GraphBubbleUp
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import interrupt

    seen: list[BaseException] = []

    def node(state: State) -> Any:
        try:
            return {"n": interrupt("approve?")}
        except GraphBubbleUp as exc:
            seen.append(exc)
            raise

    graph = StateGraph(State)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = graph.compile(checkpointer=InMemorySaver())
    found = app.invoke({"n": 0}, {"configurable": {"thread_id": "1"}})
    assert "__interrupt__" in found
    judge(seen[0], "control_flow", retryable=False)


def test_a_remote_graph_that_failed_says_as_what(judge: Judge) -> None:
    from langgraph.pregel.remote import RemoteException

    for error, kind, retryable in (
        ("GraphRecursionError", "budget_exceeded", False),
        ("KeyError", "bug", False),
        ("InternalServerError", "dependency_failed", True),
    ):
        exc = RemoteException({"error": error, "message": "it failed"})
        judge(exc, kind, retryable=retryable)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (401, "auth", False),
        (404, "not_found", False),
        (409, "conflict", True),
        (422, "invalid_request", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (503, "overloaded", True),
    ],
)
def test_what_a_langgraph_server_answers_goes_by_its_status(
    status: int, kind: str, retryable: bool, judge: Judge
) -> None:
    from langgraph_sdk import get_sync_client

    with serving() as (url, answer):
        body = b'{"detail": "it failed"}'
        answer(Answer(status, body, {"Content-Type": "application/json"}))
        client = get_sync_client(url=url, api_key=None)
        judge(failure(client.threads.get, "thread"), kind, retryable=retryable)


# --- llama-index


def test_an_answer_that_llama_index_cannot_read_is_the_models(judge: Judge) -> None:
    from llama_index.core.output_parsers import PydanticOutputParser
    from llama_index.core.output_parsers.selection import SelectionOutputParser
    from pydantic import BaseModel

    class Answer(BaseModel):
        score: int

    for parse in (PydanticOutputParser(Answer).parse, SelectionOutputParser().parse):
        exc = failure(parse, "Sure, here it is")
        judge(exc, "malformed_output", retryable=True, category="model")


def _workflow(do: Any, timeout: float = 20.0) -> Any:
    from workflows import Workflow, step
    from workflows.events import StartEvent, StopEvent

    class Asking(Workflow):
        @step
        async def ask(self, event: StartEvent) -> StopEvent:
            return await do()

    return Asking(timeout=timeout)


def test_what_ends_a_llama_index_workflow_is_told_apart(judge: Judge) -> None:
    async def slow() -> Any:
        await asyncio.sleep(30)

    async def wrong() -> Any:
        return 3

    async def broken() -> Any:
        raise ConnectionResetError(104, "Connection reset by peer")

    async def run(do: Any, timeout: float = 20.0) -> Any:
        return await _workflow(do, timeout).run()

    async def cancel() -> Any:
        handler = _workflow(slow).run()
        await asyncio.sleep(0.05)
        await handler.cancel_run()
        return await handler

    judge(failure(asyncio.run, run(slow, 0.1)), "timeout", retryable=True)
    judge(failure(asyncio.run, run(wrong)), "bug", retryable=False)
    judge(failure(asyncio.run, run(broken)), "connection", retryable=True, outcome="open")
    judge(failure(asyncio.run, cancel()), "cancelled", retryable=False)


def test_an_agent_of_llama_index_that_goes_round_used_up_its_budget(judge: Judge) -> None:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.base.llms.types import ChatMessage, LLMMetadata
    from llama_index.core.llms.function_calling import FunctionCallingLLM
    from llama_index.core.llms.mock import MockLLM
    from llama_index.core.tools import ToolSelection

    def look() -> str:
        """Look."""
        return "nothing yet"

    class Stubborn(MockLLM, FunctionCallingLLM):  # type: ignore[misc]
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(is_function_calling_model=True)

        def _prepare_chat_with_tools(self, *args: Any, **kwargs: Any) -> Any:
            return {"messages": [ChatMessage("look")]}

        def get_tool_calls_from_response(self, *args: Any, **kwargs: Any) -> Any:
            return [ToolSelection(tool_id="1", tool_name="look", tool_kwargs={})]

    async def run() -> Any:
        agent = FunctionAgent(tools=[look], llm=Stubborn(), streaming=False)
        return await agent.run("go", max_iterations=2)

    judge(failure(asyncio.run, run()), "budget_exceeded", retryable=False)


# --- pydantic-ai


def _pydantic_agent(tool: Any = None, **options: Any) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel(), **options)
    if tool is not None:
        agent.tool_plain(tool)
    return agent


def _run(agent: Any, **options: Any) -> BaseException:
    async def run() -> Any:
        return await agent.run("x", **options)

    return failure(asyncio.run, run())


def test_a_tool_that_asks_for_another_answer_until_none_is_left(judge: Judge) -> None:
    from pydantic_ai import ModelRetry

    def look(x: int) -> str:
        raise ModelRetry("use one of the list")

    judge(_run(_pydantic_agent(look)), "malformed_output", retryable=True, category="model")
    judge(ModelRetry("use one of the list"), "unexpected_output", retryable=True)


def test_a_tools_own_failure_comes_through_an_agent(judge: Judge) -> None:
    def look(x: int) -> str:
        raise ConnectionResetError(104, "Connection reset by peer")

    judge(_run(_pydantic_agent(look)), "connection", retryable=True, outcome="open")


def test_a_limit_of_requests_is_a_budget(judge: Judge) -> None:
    from pydantic_ai import UsageLimits

    exc = _run(_pydantic_agent(), usage_limits=UsageLimits(request_limit=0))
    judge(exc, "budget_exceeded", retryable=False)


def test_an_agents_run_that_takes_too_long_is_a_timeout_and_no_cancellation(judge: Judge) -> None:
    from pydantic_ai.exceptions import RunCancelled

    async def look(x: int) -> str:
        await asyncio.sleep(30)
        return "too late"

    exc = _run(_pydantic_agent(look), timeout=0.1)
    assert isinstance(exc, RunCancelled)
    judge(exc, "timeout", retryable=True)
    judge(RunCancelled("stopped"), "cancelled", retryable=False)


def test_a_missing_key_and_an_unknown_model_are_settings(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydantic_ai import Agent

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("openai:gpt-4o", "frob:gpt-4o"):
        judge(failure(Agent, name), "misconfiguration", retryable=False)


def test_what_steers_an_agent_is_no_failure(judge: Judge) -> None:
    from pydantic_ai import ApprovalRequired, CallDeferred

    judge(CallDeferred(), "control_flow", retryable=False)
    judge(ApprovalRequired(), "control_flow", retryable=False)


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "outcome"),
    [
        (400, "invalid_request", False, "refused"),
        (401, "auth", False, "refused"),
        (403, "permission", False, "refused"),
        (404, "model_not_found", False, "refused"),
        (409, "conflict", True, "open"),
        (413, "payload_too_large", False, "refused"),
        (429, "rate_limited", True, "refused"),
        (500, "server_error", True, "open"),
        (503, "overloaded", True, "open"),
        (504, "timeout", True, "open"),
        (529, "overloaded", True, "open"),
    ],
)
def test_an_http_error_that_lost_its_cause_goes_by_status_and_category(
    status: int, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    from pydantic_ai import ModelHTTPError
    from pydantic_ai._model_errors import http_status_category

    exc = ModelHTTPError.for_category(
        http_status_category(status),
        status_code=status,
        model_name="m",
        headers={"retry-after": "7"},
    )
    found = judge(exc, kind, retryable=retryable, outcome=outcome)
    assert found.retry_after == 7.0


def test_a_connection_that_failed_before_sending_is_refused_without_its_cause(
    judge: Judge,
) -> None:
    from pydantic_ai.exceptions import ModelConnectionError, ModelTimeoutError

    for phase, outcome in (("connect", "refused"), ("pool", "refused"), ("read", "open")):
        exc = ModelConnectionError("m", "Connection error.", phase=phase)  # type: ignore[arg-type]
        judge(exc, "connection", retryable=True, outcome=outcome)
        slow = ModelTimeoutError("m", "Request timed out.", phase=phase)  # type: ignore[arg-type]
        judge(slow, "timeout", retryable=True, outcome=outcome)


# --- instructor


def test_instructors_budget_is_no_matter_of_the_answer(judge: Judge) -> None:
    from instructor.v2.core.errors import TokenBudgetExceeded, TokenUsageUnavailableError

    about: dict[str, Any] = {"budget": 9, "n_attempts": 2, "total_usage": None}
    for exc, kind in (
        (TokenBudgetExceeded("spent", **about), "budget_exceeded"),
        (TokenUsageUnavailableError("unknown", **about), "misconfiguration"),
    ):
        exc.__cause__ = ValueError("1 validation error for Answer")
        judge(exc, kind, retryable=False)


def test_a_wrong_client_or_provider_is_a_setting(judge: Judge) -> None:
    import instructor

    judge(failure(instructor.from_openai, "no client"), "misconfiguration", retryable=False)
    judge(failure(instructor.from_provider, "nonsense"), "misconfiguration", retryable=False)


# --- openai-agents


def _openai_agent(**options: Any) -> Any:
    from agents import Agent
    from agents.testing.model import ScriptedModel, assistant_message

    return Agent(name="a", model=ScriptedModel([[assistant_message("hello")]]), **options)


def _run_openai_agent(agent: Any, **options: Any) -> BaseException:
    from agents import RunConfig, Runner

    async def run() -> Any:
        return await Runner.run(agent, "x", run_config=RunConfig(tracing_disabled=True), **options)

    return failure(asyncio.run, run())


def test_a_guardrail_that_trips_is_a_filter(judge: Judge) -> None:
    from agents import GuardrailFunctionOutput, input_guardrail, output_guardrail

    @input_guardrail
    def entry(context: Any, agent: Any, asked: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    @output_guardrail
    def exit_(context: Any, agent: Any, answer: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    exc = _run_openai_agent(_openai_agent(input_guardrails=[entry]))
    judge(exc, "content_filtered", retryable=False, category="data")
    exc = _run_openai_agent(_openai_agent(output_guardrails=[exit_]))
    judge(exc, "content_filtered", retryable=False, category="model")


def test_an_agent_that_used_up_its_turns_used_up_a_budget(judge: Judge) -> None:
    from agents.exceptions import MaxTurnsExceeded

    judge(MaxTurnsExceeded("Max turns (10) exceeded"), "budget_exceeded", retryable=False)


def test_a_sandbox_says_itself_what_may_be_tried_again(judge: Judge) -> None:
    from agents.sandbox import errors

    again = errors.WorkspaceStartError(path=Path("w"), retryable=True)
    judge(again, "dependency_failed", retryable=True)
    never = errors.WorkspaceReadNotFoundError(path=Path("notes.md"))
    judge(never, "not_found", retryable=False)
    slow = errors.ExecTimeoutError(command=["sleep", "9"], timeout_s=1.0)
    judge(slow, "timeout", retryable=False)
    broken = errors.WorkspaceArchiveReadError(
        path=Path("w"), cause=ConnectionResetError(104, "Connection reset by peer")
    )
    judge(broken, "connection", retryable=True, outcome="open")


# --- MCP


def test_what_an_mcp_server_in_memory_answers_goes_by_its_code(judge: Judge) -> None:
    from mcp.client.client import Client
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("s")

    @server.tool()
    def add(a: int) -> int:
        return a

    async def read() -> Any:
        async with Client(server) as client:
            return await client.read_resource("notes://7")

    judge(failure(asyncio.run, read()), "invalid_request", retryable=False, outcome="refused")


def test_the_error_of_version_1_is_known_by_its_code_too(judge: Judge) -> None:
    from types import SimpleNamespace

    # mcp 1.x: McpError(ErrorData(code=408, ...)) in the same module
    old = type("McpError", (Exception,), {"__module__": "mcp.shared.exceptions"})
    for code, kind, retryable in ((408, "timeout", True), (-32000, "connection", True)):
        exc = old("it failed")
        exc.error = SimpleNamespace(code=code, message="it failed")
        judge(exc, kind, retryable=retryable)


def test_a_tool_that_crashed_on_the_server_is_judged_by_its_crash(judge: Judge) -> None:
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("s")

    @server.tool()
    def crash() -> str:
        raise ConnectionResetError(104, "Connection reset by peer")

    @server.tool()
    def say() -> str:
        raise ToolError("there is no city of this name")

    logging.disable(logging.ERROR)
    try:
        crashed = failure(asyncio.run, server.call_tool("crash", {}))
        said = failure(asyncio.run, server.call_tool("say", {}))
    finally:
        logging.disable(logging.NOTSET)
    judge(crashed, "connection", retryable=True, outcome="open")
    judge(said, "dependency_failed", retryable=False)


# --- safetensors


def _header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        PAGE,
        POINTER,
        b"",
        b"abc",
        _header(b"{{{{"),
        _header(b"{\xff\xfe}"),
        _header(b'{"a":{"dtype":"F32","shape":[4,4],"data_offsets":[0,32]}}') + b"\0" * 64,
        struct.pack("<Q", 2**40) + b"{}",
    ],
)
def test_weights_that_are_none_are_a_damaged_file(
    data: bytes, judge: Judge, tmp_path: Path
) -> None:
    import safetensors
    from safetensors.numpy import load

    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    judge(failure(load, data), "corrupt_file", retryable=False)
    judge(failure(safetensors.safe_open, path, "np"), "corrupt_file", retryable=False)


def test_weights_that_end_early_are_a_damaged_file(judge: Judge) -> None:
    import numpy as np
    from safetensors.numpy import load, save

    whole = save({"a": np.zeros((4, 4), np.float32)})
    for end in (20, len(whole) - 10):
        judge(failure(load, whole[:end]), "corrupt_file", retryable=False)


def test_safetensors_tells_what_is_not_in_a_file_from_what_is_asked_wrongly(
    judge: Judge, tmp_path: Path
) -> None:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import save, save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((4, 4), np.float32)}, path)
    with safe_open(path, "np") as weights:
        judge(failure(weights.get_tensor, "lm_head"), "schema_mismatch", retryable=False)
        part = weights.get_slice("a")
        judge(failure(lambda: part[10:20]), "bug", retryable=False)
    judge(failure(weights.get_tensor, "a"), "bug", retryable=False)
    judge(failure(save, {"a": np.array(["text"])}), "bug", retryable=False)
    missing = tmp_path / "nowhere" / "model.safetensors"
    judge(failure(safe_open, missing, "np"), "not_found", retryable=False)
    judge(failure(save_file, {"a": np.zeros(2)}, missing), "not_found", retryable=False)


# --- ONNX Runtime


def _number(value: int) -> bytes:
    out = b""
    while True:
        low, value = value & 127, value >> 7
        if not value:
            return out + bytes([low])
        out += bytes([low | 128])


def _field(number: int, value: bytes | int | str) -> bytes:
    """One field of a protobuf: a varint, or bytes with their length."""
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    raw = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(raw)) + raw


def _value(name: str, element: int, *shape: int | str) -> bytes:
    sides = b"".join(_field(1, _field(1 if isinstance(each, int) else 2, each)) for each in shape)
    tensor = _field(1, element) + _field(2, sides)
    return _field(1, name) + _field(2, _field(1, tensor))


def _model(
    operator: str,
    inputs: list[bytes],
    output: bytes,
    names: str = "ab",
    *,
    opset: int = 17,
    ir: int = 8,
) -> bytes:
    """An ONNX model of one node."""
    node = b"".join(_field(1, each) for each in names) + _field(2, "c") + _field(4, operator)
    graph = _field(1, node) + _field(2, "g")
    graph += b"".join(_field(11, each) for each in inputs) + _field(12, output)
    return _field(1, ir) + _field(7, graph) + _field(8, _field(1, "") + _field(2, opset))


_FLOAT, _INT64, _STRING = 1, 7, 8
_MATMUL = [_value("a", _FLOAT, "n", 3), _value("b", _FLOAT, 3, 2)]
_OUT = _value("c", _FLOAT, "n", 2)


@pytest.fixture
def session() -> Iterator[Any]:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)

    def open_(model: bytes | str | Path) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    yield open_
    onnxruntime.set_default_logger_severity(2)


def test_a_model_file_that_is_none_is_damaged(session: Any, judge: Judge, tmp_path: Path) -> None:
    whole = _model("MatMul", _MATMUL, _OUT)
    for name, data in (("page.onnx", PAGE), ("empty.onnx", b""), ("page.ort", PAGE)):
        path = tmp_path / name
        path.write_bytes(data)
        judge(failure(session, str(path)), "corrupt_file", retryable=False)
    judge(failure(session, whole[: len(whole) // 2]), "corrupt_file", retryable=False)
    judge(failure(session, str(tmp_path / "no.onnx")), "not_found", retryable=False)


def test_a_model_for_another_runtime_is_a_setting(session: Any, judge: Judge) -> None:
    for model in (
        _model("Frobnicate", _MATMUL, _OUT),
        _model("MatMul", _MATMUL, _OUT, opset=99),
        _model("MatMul", _MATMUL, _OUT, ir=99),
        _model("MatMul", [_value("a", _STRING, "n", 3), _MATMUL[1]], _OUT),
        _model("MatMul", [_value("a", _FLOAT, "n", 4), _MATMUL[1]], _OUT),
        _model("MatMul", _MATMUL[:1], _OUT, "az"),
    ):
        judge(failure(session, model), "misconfiguration", retryable=False)


def test_inputs_of_another_form_are_a_schema_mismatch(session: Any, judge: Judge) -> None:
    import numpy as np

    run = session(_model("MatMul", _MATMUL, _OUT)).run
    right = np.zeros((3, 2), np.float32)
    for wrong in (
        np.zeros((2, 4), np.float32),
        np.zeros((2, 3, 1), np.float32),
        np.zeros((2, 3), np.float64),
        np.array([["x", "y", "z"]], dtype=object),
    ):
        exc = failure(run, None, {"a": wrong, "b": right})
        judge(exc, "schema_mismatch", retryable=False, stage="preprocessing", category="data")
    free = [_value("a", _FLOAT, "n", "k"), _value("b", _FLOAT, "l", "m")]
    run = session(_model("MatMul", free, _value("c", _FLOAT, "n", "m"))).run
    exc = failure(run, None, {"a": np.zeros((2, 4), np.float32), "b": right})
    judge(exc, "schema_mismatch", retryable=False)


def test_names_that_the_model_does_not_have_are_a_bug(session: Any, judge: Judge) -> None:
    import numpy as np

    run = session(_model("MatMul", _MATMUL, _OUT)).run
    feed = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((3, 2), np.float32)}
    judge(failure(run, None, {**feed, "z": feed["a"]}), "bug", retryable=False)
    judge(failure(run, ["z"], feed), "bug", retryable=False)
    judge(failure(run, None, {**feed, "a": None}), "missing_value", retryable=False)


def test_an_index_outside_of_its_tensor_is_an_invalid_value(session: Any, judge: Judge) -> None:
    import numpy as np

    inputs = [_value("a", _FLOAT, "n"), _value("b", _INT64, "r")]
    run = session(_model("Gather", inputs, _value("c", _FLOAT, "k"))).run
    exc = failure(run, None, {"a": np.zeros(3, np.float32), "b": np.array([9], np.int64)})
    judge(exc, "invalid_value", retryable=False)


def test_an_arena_that_cannot_grow_is_full_memory(session: Any, judge: Judge) -> None:
    import numpy as np

    inputs = [_value("a", _FLOAT, 1), _value("b", _INT64, "r")]
    run = session(_model("Expand", inputs, _value("c", _FLOAT, "k"))).run
    exc = failure(run, None, {"a": np.zeros(1, np.float32), "b": np.array([2**45], np.int64)})
    # the arena says the same for the memory of a card, where it happens more often
    judge(exc, "gpu_out_of_memory", retryable=False)


def test_a_run_that_was_told_to_stop_is_cancelled(session: Any, judge: Judge) -> None:
    import numpy as np
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.terminate = True
    feed = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((3, 2), np.float32)}
    exc = failure(session(_model("MatMul", _MATMUL, _OUT)).run, None, feed, options)
    judge(exc, "cancelled", retryable=False)


def test_a_library_of_operators_that_is_missing_is_a_setting(judge: Judge) -> None:
    import onnxruntime

    exc = failure(onnxruntime.SessionOptions().register_custom_ops_library, "/nonexistent.so")
    judge(exc, "misconfiguration", retryable=False)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);",
            "gpu_out_of_memory",
        ),
        ("CUDA failure 700: an illegal memory access was encountered ; GPU=0", "gpu_fault"),
        ("CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0", "gpu_fault"),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "gpu_out_of_memory"),
        ("CUDA failure 100: no CUDA-capable device is detected ; GPU=0", "misconfiguration"),
        (
            "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime",
            "misconfiguration",
        ),
    ],
)
def test_what_a_graphics_card_says_through_onnx_runtime(text: str, kind: str, judge: Judge) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    for cls in (state.Fail, state.RuntimeException, state.EPFail):
        judge(cls(f"[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : {text}"), kind, retryable=False)


# --- Ray


def _of_a_task(cause: BaseException) -> BaseException:
    """What ``ray.get`` raises for a task that raised ``cause``: a class that is both."""
    from ray.exceptions import RayTaskError

    error = RayTaskError("f", f"Traceback\n{type(cause).__name__}: {cause}", cause, ip="127.0.0.1")
    return error.as_instanceof_cause()


@pytest.mark.parametrize(
    ("cause", "kind", "retryable", "outcome"),
    [
        (ValueError("bad row"), "invalid_value", False, "open"),
        (KeyError("price"), "bug", False, "open"),
        (OSError(28, "No space left on device"), "disk_full", False, "open"),
        (ConnectionRefusedError(111, "Connection refused"), "connection", True, "refused"),
        (TimeoutError("timed out"), "timeout", True, "open"),
        (MemoryError(), "host_out_of_memory", False, "open"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
            "gpu_out_of_memory",
            False,
            "open",
        ),
        (RuntimeError("CUDA error: device-side assert triggered"), "gpu_fault", False, "open"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else str(each),
)
def test_a_task_of_ray_is_judged_by_what_it_raised(
    cause: BaseException, kind: str, retryable: bool, outcome: str, judge: Judge
) -> None:
    exc = _of_a_task(cause)
    assert isinstance(exc, type(cause))
    assert type(exc).__qualname__ == f"RayTaskError({type(cause).__name__})"
    judge(exc, kind, retryable=retryable, outcome=outcome)


def test_a_task_of_ray_that_asked_a_provider_keeps_the_wait(judge: Judge) -> None:
    import httpx
    import openai

    response = httpx.Response(
        429, headers={"retry-after": "7"}, request=httpx.Request("POST", "http://127.0.0.1")
    )
    cause = openai.RateLimitError("slow down", response=response, body=None)  # type: ignore[arg-type]
    found = judge(_of_a_task(cause), "rate_limited", retryable=True, outcome="refused")
    assert found.retry_after == 7.0
    spent = openai.RateLimitError(
        "You exceeded your current quota",
        response=response,  # type: ignore[arg-type]
        body={"code": "insufficient_quota", "type": "insufficient_quota"},
    )
    judge(_of_a_task(spent), "quota_exhausted", retryable=False, outcome="refused")


def test_what_ray_itself_says(judge: Judge) -> None:
    from ray import exceptions

    reference = ("00ff", b"", "")
    for exc, kind, retryable in (
        (exceptions.GetTimeoutError("Get timed out: some object(s) not ready."), "timeout", True),
        (exceptions.WorkerCrashedError(), "process_crashed", True),
        (
            exceptions.OutOfMemoryError("Task was killed: low on memory"),
            "host_out_of_memory",
            False,
        ),
        (exceptions.NodeDiedError("the node is dead"), "process_crashed", True),
        (exceptions.ActorDiedError(), "process_crashed", True),
        (exceptions.ActorUnavailableError("lost", b"\0" * 16), "connection", True),
        (exceptions.ObjectLostError(*reference), "dependency_failed", True),
        (exceptions.OwnerDiedError(*reference), "dependency_failed", False),
        (exceptions.ObjectReconstructionFailedError("00ff"), "dependency_failed", False),
        (exceptions.ObjectFetchTimedOutError(*reference), "timeout", True),
        (exceptions.ObjectFreedError(*reference), "bug", False),
        (exceptions.ObjectStoreFullError("full"), "resource_exhausted", True),
        (exceptions.OutOfDiskError("full"), "disk_full", False),
        (exceptions.PendingCallsLimitExceeded("too many"), "resource_exhausted", True),
        (exceptions.TaskCancelledError(), "cancelled", False),
        (exceptions.AsyncioActorExit(), "control_flow", False),
        (exceptions.RuntimeEnvSetupError("pip failed"), "misconfiguration", False),
        (exceptions.TaskUnschedulableError("no such node"), "misconfiguration", False),
        (exceptions.AuthenticationError("no token"), "auth", False),
        (exceptions.ActorAlreadyExistsError("a"), "duplicate", False),
        (exceptions.RaySystemError("the raylet was killed"), "server_error", True),
    ):
        judge(exc, kind, retryable=retryable)


def test_an_actor_whose_constructor_raised_is_not_called_again(judge: Judge) -> None:
    from ray.exceptions import ActorDiedError, RayTaskError

    cause = RayTaskError("A.__init__", "Traceback\nKeyError: 'x'", KeyError("x"), ip="127.0.0.1")
    judge(ActorDiedError(cause), "dependency_failed", retryable=False)


# --- Dask


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One worker in a process of its own, that may die once."""
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.no-workers-timeout": "200ms",
        "distributed.admin.log-format": "%(message)s",
    }
    options = {"dashboard_address": None, "silence_logs": 60, "host": "127.0.0.1"}
    with dask.config.set(settings), LocalCluster(1, threads_per_worker=1, **options) as local:
        with Client(local) as client:
            yield client


def _bad_row() -> None:
    raise ValueError("bad row")


def _exit() -> None:
    import os

    os._exit(1)


@pytest.mark.filterwarnings("ignore")
def test_what_dask_says_of_a_task(cluster: Any, judge: Judge) -> None:
    import time

    judge(failure(cluster.submit(_bad_row).result), "invalid_value", retryable=False)
    future = cluster.submit(time.sleep, 20, pure=False)
    judge(failure(future.result, timeout=0.1), "timeout", retryable=True)
    future.cancel()
    judge(failure(future.result, timeout=10), "cancelled", retryable=False)
    judge(failure(cluster.wait_for_workers, 5, timeout=0.1), "timeout", retryable=True)
    unfit = cluster.submit(_bad_row, resources={"GPU": 1}, pure=False)
    judge(failure(unfit.result, timeout=20), "resource_exhausted", retryable=True)
    killed = cluster.submit(_exit, pure=False)
    # it died on as many workers as are allowed: the task is the reason
    judge(failure(killed.result, timeout=30), "process_killed", retryable=False)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_nobody_is_at_is_a_connection(judge: Judge) -> None:
    from distributed import Client

    exc = failure(Client, f"tcp://127.0.0.1:{closed_port()}", timeout=0.5)
    judge(exc, "connection", retryable=True, outcome="refused")


def test_futures_of_a_lost_scheduler_are_no_cancellation(judge: Judge) -> None:
    from distributed.client import (
        CancelledFuturesGroup,
        FutureCancelledError,
        FuturesCancelledError,
    )

    lost = FutureCancelledError("f-1", "scheduler-connection-lost")
    judge(lost, "connection", retryable=True)
    group = FuturesCancelledError([CancelledFuturesGroup([lost], "scheduler-connection-lost")])
    judge(group, "connection", retryable=True)
    judge(FutureCancelledError("f-1", None), "cancelled", retryable=False)


def test_what_else_dask_says(judge: Judge) -> None:
    from dask.multiprocessing import remote_exception
    from distributed import Reschedule
    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError
    from distributed.shuffle._exceptions import P2POutOfDiskError, ShuffleClosedError

    judge(CommClosedError("in <TCP>: Stream is closed"), "connection", retryable=True)
    judge(Reschedule(), "control_flow", retryable=False)
    judge(P2POutOfDiskError(), "disk_full", retryable=False)
    judge(ShuffleClosedError("closed"), "dependency_failed", retryable=True)
    judge(ClosedClientError("closed"), "bug", retryable=False)
    exc = remote_exception(ConnectionResetError(104, "Connection reset by peer"), "the stack")
    judge(exc, "connection", retryable=True, outcome="open")
    # its own errno is empty: what it wraps has it
    exc = remote_exception(OSError(28, "No space left on device"), "the stack")
    judge(exc, "disk_full", retryable=False)


# --- transformers


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub on loopback, and how to set its answers."""
    import huggingface_hub.constants

    with serving() as (url, answer):
        resolve = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolve)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield answer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "RepoNotFound", "model_not_found"),
        (404, "RepoNotFound", "model_not_found"),
        (404, "RevisionNotFound", "model_not_found"),
        (403, "GatedRepo", "permission"),
    ],
)
def test_a_model_that_the_hub_does_not_give(
    status: int, code: str, kind: str, hub: Any, judge: Judge, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    hub(Answer(status, b"", {"X-Error-Code": code, "X-Error-Message": "it failed"}))
    exc = failure(AutoConfig.from_pretrained, "acme/no-such-model", cache_dir=tmp_path)
    judge(exc, kind, retryable=False, outcome="refused")


@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_holds_no_model_is_told_by_what_it_lacks(
    judge: Judge, tmp_path: Path
) -> None:
    from transformers import AutoConfig, GenerationConfig

    load = AutoConfig.from_pretrained
    judge(failure(load, str(tmp_path)), "misconfiguration", retryable=False)
    exc = failure(GenerationConfig.from_pretrained, str(tmp_path))
    judge(exc, "not_found", retryable=False)
    for text, kind in (
        ('{"model_type": ', "corrupt_file"),
        ("<html>", "corrupt_file"),
        ("{}", "misconfiguration"),
        ('{"model_type": "frobnicate"}', "misconfiguration"),
    ):
        (tmp_path / "config.json").write_text(text)
        judge(failure(load, str(tmp_path)), kind, retryable=False)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_needs_what_is_not_installed_is_a_setting(
    judge: Judge, tmp_path: Path
) -> None:
    from transformers import AutoModel

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    exc = failure(lambda: AutoModel.from_pretrained(str(tmp_path)))
    judge(exc, "misconfiguration", retryable=False)
