"""Which steps a workflow may call is read off what its code can name."""

from __future__ import annotations

import types
from typing import Any

from surefoot import step, workflow
from surefoot.workflow.finding import specs_of, steps_of


@step
def in_the_module() -> int:
    return 1


def helper() -> int:
    return in_the_module()


class Kitchen:
    @step
    def cook(self) -> int:
        return 1

    @staticmethod
    @step
    def wash() -> int:
        return 2

    @classmethod
    def clean(cls) -> int:
        return cls.wash()


kitchen = Kitchen()


@workflow
def inner() -> int:
    @step
    def hidden() -> int:  # made at run time: not found
        return 1

    return hidden() + helper()


def plain() -> int:
    return 1


def test_steps_of_the_module_its_classes_and_objects_are_found() -> None:
    found = steps_of(plain)
    assert {"in_the_module", "Kitchen.cook", "Kitchen.wash"} <= set(found)
    assert found["in_the_module"] is in_the_module
    assert "inner.<locals>.hidden" not in found


def test_steps_of_a_closure_are_found_and_an_empty_cell_is_none() -> None:
    @step(name="near")
    def near() -> int:
        return 1

    @workflow
    def other() -> int:
        return near()

    def work() -> int:
        return other() + later()

    assert "near" in steps_of(work)

    def later() -> int:
        return 1


def test_a_cell_that_is_not_filled_yet_is_passed_over() -> None:
    def work() -> int:
        return never()

    if False:

        def never() -> int: ...

    assert "in_the_module" in steps_of(work)


def function_in(module: types.ModuleType, **names: Any) -> Any:
    module.__dict__.update(names)
    code = compile("def work(): return 1", module.__name__, "exec")
    exec(code, module.__dict__)
    return module.__dict__["work"]


def test_modules_of_the_same_package_are_looked_into_and_libraries_are_not() -> None:
    @step(name="theirs")
    def theirs() -> int:
        return 1

    @step(name="ours")
    def ours() -> int:
        return 1

    library = types.ModuleType("library.parts")
    library.__dict__["theirs"] = theirs
    foreign = type("Foreign", (), {"step": theirs, "__module__": "library"})
    near = types.ModuleType("shop.steps")
    near.__dict__["ours"] = ours
    work = function_in(types.ModuleType("shop.flows"), library=library, foreign=foreign, near=near)
    # what "ours" can name itself is found, too: this module
    assert "ours" in steps_of(work) and "theirs" not in steps_of(work)


def test_a_workflow_that_another_one_calls_is_looked_into() -> None:
    @step(name="deep")
    def deep() -> int:
        return 1

    @workflow
    def inside() -> int:
        return deep()

    work = function_in(types.ModuleType("shop.flows"), inside=inside)
    assert specs_of(work)["deep"] is deep.spec


def test_objects_of_the_same_package_bring_the_steps_of_their_class() -> None:
    @step(name="of_the_class")
    def act(self: Any) -> int:
        return 1

    owner = type("Owner", (), {"act": act, "__module__": "shop.things"})
    work = function_in(types.ModuleType("shop.flows"), owner=owner(), number=7)
    assert steps_of(work)["of_the_class"] is act
