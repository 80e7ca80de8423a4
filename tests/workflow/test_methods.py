"""Steps as methods, static methods and class methods; effects and workflows too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from surefoot import Runtime, effect, step, workflow
from surefoot.errors import DefinitionError


class Service:
    """Without fields: it counts by its type."""

    calls: list[Any] = []

    @step
    def double(self, n: int) -> int:
        """Doubles."""
        self.calls.append(n)
        return 2 * n

    @step
    async def double_async(self, n: int) -> int:
        return 2 * n

    @step
    @staticmethod
    def triple(n: int) -> int:
        return 3 * n

    @staticmethod
    @step
    def fourfold(n: int) -> int:
        return 4 * n

    @effect(key=lambda n: f"k{n}")
    def pay(self, n: int) -> int:
        self.calls.append(f"paid {n}")
        return n

    @effect(key=lambda n: f"k{n}")
    @staticmethod
    def post(n: int) -> int:
        return n


@dataclass(frozen=True)
class Model:
    """With fields: they belong to a call's identity."""

    name: str

    @step
    def answer(self, prompt: str) -> str:
        return f"{self.name}: {prompt}"

    @workflow
    def work(self, prompt: str) -> str:
        return self.answer(prompt)

    @staticmethod
    @workflow
    def above(n: int) -> int:
        return n

    @workflow
    @staticmethod
    def below(n: int) -> int:
        return n

    @workflow
    @staticmethod
    async def below_async(n: int) -> int:
        return n


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    Service.calls.clear()


def in_run(body: Any) -> Any:
    return workflow(name="work")(body).with_options(run_id="r").start().result


def test_a_method_is_called_with_its_object(runtime: Runtime) -> None:
    service = Service()
    assert in_run(lambda: service.double(2) + service.double(n=3)) == 10
    assert Service.double.__doc__ == "Doubles." and Service.double.spec.name == "Service.double"


def test_a_method_maps_over_its_items(runtime: Runtime) -> None:
    service = Service()
    assert in_run(lambda: service.double.map([1, 2, 3]).results) == [2, 4, 6]


def test_a_bound_method_binds_constants(runtime: Runtime) -> None:
    class Scaler:
        @step
        def scale(self, n: int, *, by: int) -> int:
            return n * by

    assert in_run(lambda: Scaler().scale.bind(by=3).map([1, 2]).results) == [3, 6]


def test_an_async_method_is_awaited(runtime: Runtime) -> None:
    service = Service()

    @workflow
    async def work() -> list[int]:
        one = await service.double_async(1)
        batch = await service.double_async.map([2, 3])
        return [one, *batch.results]

    assert asyncio.run(work.start()).result == [2, 4, 6]


@pytest.mark.parametrize("of", [Service, Service()])
def test_a_static_method_works_above_and_below(runtime: Runtime, of: Any) -> None:
    assert in_run(lambda: [of.triple(2), of.fourfold(2), of.post(3)]) == [6, 8, 3]
    with_maps = workflow(lambda: [of.triple.map([1]).results, of.fourfold.map([1]).results])
    assert with_maps() == [[3], [4]]


class WithClassMethods:
    @classmethod
    @step
    def named(cls, n: int) -> str:
        return f"{cls.__name__} {n}"


@pytest.mark.parametrize("of", [WithClassMethods, WithClassMethods()])
def test_a_class_method_gets_its_class(runtime: Runtime, of: Any) -> None:
    assert in_run(lambda: of.named(1)) == "WithClassMethods 1"


def test_a_step_over_a_class_method_gets_it_too_and_maps(runtime: Runtime) -> None:
    """The other order cannot map on Python 3.13, where `classmethod` hides what it wraps."""

    class Base:
        @step
        @classmethod
        def named(cls, n: int) -> str:
            return f"{cls.__name__} {n}"

    class Special(Base):
        pass

    assert in_run(lambda: [Base.named(1), Special().named(n=2)]) == ["Base 1", "Special 2"]
    with_map = workflow(lambda: Special.named.map([1, 2]).results)
    assert with_map() == ["Special 1", "Special 2"]


def test_a_step_on_a_property_says_how_to_write_it() -> None:
    with pytest.raises(DefinitionError, match="put @property on the line above"):

        class Wrong:
            @step  # type: ignore[arg-type]
            @property
            def named(self) -> None: ...


def test_an_effect_is_a_method_and_its_key_need_not_take_self(runtime: Runtime) -> None:
    service = Service()
    assert in_run(lambda: [service.pay(1), service.pay(1)]) == [1, 1]
    assert Service.calls == ["paid 1"]


def test_a_method_is_a_workflow_and_its_object_a_part_of_the_input(runtime: Runtime) -> None:
    assert Model("m").work("p") == "m: p"
    run = Model("m").work.with_options(run_id="r").start("q")
    assert run.result == "m: q"
    assert Model("m").work.resume("r").result == "m: q"


def test_a_static_method_is_a_workflow_above_and_below(runtime: Runtime) -> None:
    assert Model.above(1) == Model("m").above(1) == 1
    assert Model.below(1) == Model("m").below(1) == 1
    assert asyncio.run(Model.below_async.start(2)).result == 2


def test_objects_are_told_apart_by_their_fields(runtime: Runtime) -> None:
    fail = [True]
    calls: list[str] = []

    class Tracked(Model):
        @step(name="tracked")
        def ask(self, prompt: str) -> str:
            calls.append(self.name)
            return f"{self.name}: {prompt}"

    @workflow
    def work() -> list[str]:
        found = [Tracked(name).ask("p") for name in ("a", "b")]
        if fail[0]:
            raise ValueError("no")
        return found

    work.with_options(run_id="r").start()
    fail[0] = False
    assert work.resume("r").result == ["a: p", "b: p"] and calls == ["a", "b"]
    assert Model("m").answer("p") == "m: p"


def test_with_options_keeps_the_object(runtime: Runtime) -> None:
    service = Service()
    assert in_run(lambda: service.double.with_options(attempts=1)(2)) == 4
