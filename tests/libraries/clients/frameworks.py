"""Frameworks in front of a model, each asking OpenAI's protocol on loopback; and MCP's client.

Their own retries, and those of the SDK below them, are off: what is judged is the first failure.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CALLS"]


def _openai(url: str, timeout: float) -> Any:
    import openai

    return openai.OpenAI(api_key="x", base_url=url, max_retries=0, timeout=timeout)


def _openai_async(url: str, timeout: float) -> Any:
    import openai

    return openai.AsyncOpenAI(api_key="x", base_url=url, max_retries=0, timeout=timeout)


def _answer_model() -> Any:
    from pydantic import BaseModel

    class Answer(BaseModel):
        label: str
        score: int

    return Answer


def _langchain_openai(url: str, stream: bool, timeout: float) -> Any:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        model="m",
        api_key="x",  # type: ignore[arg-type]
        base_url=url,
        max_retries=0,
        timeout=timeout,
    )
    return list(model.stream("x")) if stream else model.invoke("x")


def _langchain_openai_structured(url: str, stream: bool, timeout: float) -> Any:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        model="m",
        api_key="x",  # type: ignore[arg-type]
        base_url=url,
        max_retries=0,
        timeout=timeout,
    )
    return model.with_structured_output(_answer_model(), method="json_schema").invoke("x")


def _langgraph(url: str, stream: bool, timeout: float) -> Any:
    """The same model as a node of a graph."""
    from langgraph.graph import END, START, StateGraph

    def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": _langchain_openai(url, stream, timeout)}

    graph = StateGraph(dict)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile().invoke({"question": "x"})


def _pydantic_ai_agent(client: Any, output_type: Any) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=client)
    return Agent(OpenAIChatModel("m", provider=provider), output_type=output_type, retries=0)


def _pydantic_ai(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    async def call() -> Any:
        async with _openai_async(url, timeout) as client:
            agent = _pydantic_ai_agent(client, str)
            if not stream:
                return await agent.run("x")
            async with agent.run_stream("x") as answer:
                return await answer.get_output()

    return asyncio.run(call())


def _pydantic_ai_structured(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    from pydantic_ai import NativeOutput

    async def call() -> Any:
        async with _openai_async(url, timeout) as client:
            return await _pydantic_ai_agent(client, NativeOutput(_answer_model())).run("x")

    return asyncio.run(call())


def _pydantic_ai_fallback(url: str, stream: bool, timeout: float) -> Any:
    """Two models that fail alike: what comes is a group."""
    import asyncio

    from pydantic_ai import Agent
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def call() -> Any:
        async with _openai_async(url, timeout) as client:
            provider = OpenAIProvider(openai_client=client)
            models = [OpenAIChatModel(name, provider=provider) for name in ("m", "n")]
            return await Agent(FallbackModel(*models), retries=0).run("x")

    return asyncio.run(call())


def _instructor(url: str, stream: bool, timeout: float) -> Any:
    import instructor

    with _openai(url, timeout) as client:
        return instructor.from_openai(client, mode=instructor.Mode.JSON).create(
            model="m",
            messages=[{"role": "user", "content": "x"}],
            response_model=_answer_model(),
            max_retries=0,
        )


def _openai_agent(url: str, timeout: float, output_type: Any) -> Any:
    import asyncio

    from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner

    async def call() -> Any:
        async with _openai_async(url, timeout) as client:
            model = OpenAIChatCompletionsModel(model="m", openai_client=client)
            agent = Agent(name="a", model=model, output_type=output_type)
            return await Runner.run(agent, "x", run_config=RunConfig(tracing_disabled=True))

    return asyncio.run(call())


def _openai_agents(url: str, stream: bool, timeout: float) -> Any:
    return _openai_agent(url, timeout, None)


def _openai_agents_structured(url: str, stream: bool, timeout: float) -> Any:
    return _openai_agent(url, timeout, _answer_model())


def _mcp(url: str, stream: bool, timeout: float) -> Any:
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def call() -> Any:
        async with streamable_http_client(url) as streams:
            async with ClientSession(
                streams[0], streams[1], read_timeout_seconds=timeout
            ) as session:
                return await session.initialize()

    return asyncio.run(call())


CALLS = {
    "langchain-openai": _langchain_openai,
    "langchain-openai, structured": _langchain_openai_structured,
    "langgraph": _langgraph,
    "pydantic-ai": _pydantic_ai,
    "pydantic-ai, structured": _pydantic_ai_structured,
    "pydantic-ai, fallback": _pydantic_ai_fallback,
    "instructor": _instructor,
    "openai-agents": _openai_agents,
    "openai-agents, structured": _openai_agents_structured,
    "mcp": _mcp,
}
