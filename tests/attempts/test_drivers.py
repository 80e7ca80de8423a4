"""The sync and the async driver carry the same commands out in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from surefoot.attempts import drive, drive_async


def loop(seen: list[Any]) -> Generator[str, Any, str]:
    seen.append((yield "one"))
    try:
        yield "two"
    except LookupError as exc:
        seen.append(exc)
    seen.append((yield "three"))
    return "end"


def answer(command: str) -> str:
    if command == "two":
        raise LookupError("two fails")
    return command.upper()


async def answer_async(command: str) -> str:
    await asyncio.sleep(0)
    return answer(command)


@pytest.mark.parametrize("world", ["sync", "async"])
def test_replies_are_sent_in_and_what_the_handler_raises_is_raised_inside(world: str) -> None:
    seen: list[Any] = []
    if world == "sync":
        result = drive(loop(seen), answer)
    else:
        result = asyncio.run(drive_async(loop(seen), answer_async))
    assert result == "end"
    assert [str(one) for one in seen] == ["ONE", "two fails", "THREE"]


class Cut(BaseException):
    pass


@pytest.mark.parametrize("world", ["sync", "async"])
def test_what_the_loop_does_not_catch_comes_out_and_its_finally_has_run(world: str) -> None:
    ended: list[bool] = []

    def fragile() -> Generator[str, Any, None]:
        try:
            yield "one"
        finally:
            ended.append(True)

    def cut(command: str) -> Any:
        raise Cut

    async def cut_async(command: str) -> Any:
        raise Cut

    with pytest.raises(Cut):
        if world == "sync":
            drive(fragile(), cut)
        else:
            asyncio.run(drive_async(fragile(), cut_async))
    assert ended == [True]
