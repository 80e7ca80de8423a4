"""A mistake in a decorator is told at once, names the function and the nearest right word."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from surefoot import Runtime, effect, on, step, workflow
from surefoot.errors import DefinitionError


def plain(prompt: str, *, size: int = 8) -> str:
    return prompt


def two(prompt: str, other: str, *, size: int = 8) -> str:
    return prompt


def generator(n: int) -> Iterator[int]:
    yield n


async def async_generator(n: int) -> AsyncIterator[int]:
    yield n


async def coroutine(prompt: str, *, size: int = 8) -> str:
    return prompt


keep = lambda value, failure: value


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: step(generator), "is a generator function"),
        (lambda: step(async_generator), "is a generator function"),
        (lambda: effect(generator), "return a list, or map"),
        (lambda: workflow(generator), "is a generator function"),
        (lambda: workflow(async_generator), "is a generator function"),
        (lambda: step(42), "is put on a function"),
        (lambda: step(dict), "is put on a function"),
        (lambda: workflow(42), "is put on a function"),
        (lambda: workflow(dict), "is put on a function"),
        (lambda: step(functools.partial(plain)), "@step(name=…)"),
        (lambda: step(stage="inferense")(plain), "did you mean 'inference'"),
        (lambda: step(attempts=0)(plain), "step plain: attempts=0"),
        (lambda: step(timeout=-1)(plain), "step plain: timeout=-1"),
        (lambda: step(deadline=0)(plain), "step plain: deadline=0"),
        (lambda: step(recover=["timeout"])(plain), "a list of on(…)"),
        (lambda: step(ignore=("promt",))(plain), "did you mean 'prompt'"),
        (lambda: step(recover=[on("timeout").adapt(prompd=keep)])(plain), "did you mean 'prompt'"),
        (lambda: step(recover=[on("timeout").fall_back(sizes=1)])(plain), "did you mean 'size'"),
        (lambda: step(recover=[on("timeout").fall_back(two)])(plain), "cannot take the same"),
        (lambda: step(recover=[on("timeout").fall_back(coroutine)])(plain), "async"),
        (lambda: effect(on_doubt="maybe")(plain), "'halt' or 'rerun'"),
        (lambda: effect(key="order")(plain), "key='order' must be a function"),
        (lambda: effect(key=lambda promtp: "")(plain), "did you mean 'prompt'"),
        (lambda: effect(match=("promtp",))(plain), "did you mean 'prompt'"),
        (lambda: effect(verify=1)(plain), "verify=1 must be a function"),
        (lambda: effect(verify=coroutine)(plain), "async"),
        (lambda: effect(compensate=1)(plain), "compensate=1 must be a function"),
        (lambda: effect(verify=lambda: None)(plain), "verify() cannot take the same arguments"),
        (lambda: effect(compensate=lambda: None)(plain), "cannot take the result"),
        (lambda: effect(compensate=lambda *, result: None)(plain), "cannot take the result"),
        (lambda: effect(compensate=lambda result, promtp: None)(plain), "did you mean 'prompt'"),
        (lambda: effect(settle=-1)(plain), "settle=-1 must be seconds"),
        (lambda: effect(settle=True)(plain), "settle=True must be seconds"),
    ],
)
def test_a_mistake_is_told_when_a_step_is_decorated(make: Any, part: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    assert part in str(caught.value)


def test_what_takes_any_arguments_takes_any_name() -> None:
    def any_of(*args: Any, **kwargs: Any) -> str:
        return ""

    assert step(recover=[on("timeout").adapt(anything=keep)])(any_of).spec.name.endswith("any_of")
    assert effect(match=("anything",), key=any_of)(any_of).spec.effect is not None
    step(recover=[on("timeout").fall_back(any_of).fall_back(max)])(plain)
    effect(verify=any_of, compensate=any_of)(plain)
    effect(compensate=lambda result, prompt, limit=3: None)(plain)


def test_a_callable_object_is_a_step_of_its_name(runtime: Runtime) -> None:
    adder = step(name="adder")(functools.partial(int, base=2))

    class Model:
        def __call__(self, n: int) -> int:
            return n + 1

    model = step(name="model")(Model())
    assert workflow(lambda: [adder("101"), model(2)])() == [5, 3]


def test_names_and_wrapped_functions_stay_as_they_were() -> None:
    made = step(plain)
    assert made.__name__ == "plain" and made.__wrapped__ is plain
    assert made.spec.name == plain.__qualname__ and repr(made) == "<step plain>"
    assert repr(effect(plain)) == "<effect plain>" and repr(workflow(plain)) == "<workflow plain>"
    assert step(name="other")(plain).spec.name == "other"
    assert workflow(name="w")(plain).name == "w"


# -- what only a run can tell -----------------------------------------------------------------


def test_an_unknown_kind_is_told_with_the_nearest_one(runtime: Runtime) -> None:
    calls: list[int] = []

    @step(name="answer", recover=[on("rate_limted").retry()])
    def answer(n: int) -> int:
        calls.append(n)
        return n

    run = workflow(lambda: answer(1)).start()
    assert isinstance(run.exception, DefinitionError) and calls == []
    assert str(run.exception).startswith(
        "step answer: on('rate_limted') names no kind; did you mean 'rate_limited'?"
    )
    with pytest.raises(DefinitionError, match="rate_limited"):
        answer(1)


def test_a_kind_that_is_near_to_nothing_names_the_list(runtime: Runtime) -> None:
    @step(recover=[on("xyzzy").retry()])
    def answer(n: int) -> int:
        return n

    with pytest.raises(DefinitionError, match="surefoot catalog list"):
        answer(1)


def test_a_users_own_kind_is_known(tmp_path: Any) -> None:
    from surefoot.config import Config

    rules = tmp_path / "rules.toml"
    rules.write_text('[kind.gpu_tired]\ncategory = "model"\ntitle = "t"\nretryable = true\n')

    @step(recover=[on("gpu_tired").retry(), on("timeout").retry()])
    def answer(n: int) -> int:
        return n

    @step(recover=[on("gpu_tird").retry()])
    def wrong(n: int) -> int:
        return n

    with Runtime(journal=tmp_path / "j.db", config=Config(rules=(rules,))):
        assert answer(1) == 1
        with pytest.raises(DefinitionError, match="did you mean 'gpu_tired'"):
            wrong(1)


def test_two_steps_of_one_name_are_an_error_that_names_both(runtime: Runtime) -> None:
    @step(name="load")
    def one(n: int) -> int:
        return n

    @step(name="load")
    def other(n: int) -> int:
        return n + 1

    run = workflow(lambda: [one(1), other(1)]).start()
    assert isinstance(run.exception, DefinitionError)
    message = str(run.exception)
    assert "two steps of one run are called 'load'" in message and "@step(name=…)" in message
    assert message.count("test_definitions.py") == 2


def test_two_callable_objects_of_one_name_are_an_error_too(runtime: Runtime) -> None:
    one = step(name="load")(functools.partial(int, base=2))
    other = step(name="load")(functools.partial(int, base=8))
    run = workflow(lambda: [one("1"), other("1")]).start()
    assert isinstance(run.exception, DefinitionError)
    assert "two steps of one run are called 'load'" in str(run.exception)


def test_a_step_and_an_effect_of_one_name_are_an_error(runtime: Runtime) -> None:
    @step(name="load")
    def one(n: int) -> int:
        return n

    @effect(name="load")
    def other(n: int) -> int:
        return n

    run = workflow(lambda: [one(1), other(1)]).start()
    assert isinstance(run.exception, DefinitionError)


def test_the_same_function_made_again_is_no_other_step(runtime: Runtime) -> None:
    def make(plus: int) -> Any:
        @step(name="add")
        def add(n: int) -> int:
            return n + plus

        return add

    assert workflow(lambda: [make(1)(1), make(2)(2), make(1).with_options(attempts=1)(3)])() == [
        2,
        4,
        4,
    ]
