"""The digest of a step's code changes with its code, and with nothing else."""

from __future__ import annotations

import functools
import importlib.util
import textwrap
from pathlib import Path
from typing import Any

import pytest

from surefoot.fingerprint.source import code_digest, source_digest

COUNT = iter(range(1000))


def made(tmp_path: Path, source: str, name: str = "step") -> Any:
    path = tmp_path / f"source_{next(COUNT)}.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


BASE = "def step(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    "source",
    [
        "\n\n# a comment\ndef step(x):\n\n    # another\n    return (x  +  1)\n",
        'def step(x):\n    """A docstring."""\n    return x + 1\n',
        "def deco(fn): return fn\n\n@deco\ndef step(x):\n    return x + 1\n",
        "if True:\n    def step(x):\n        return x + 1\n",
    ],
)
def test_what_changes_no_work_changes_no_digest(tmp_path: Path, source: str) -> None:
    assert source_digest(made(tmp_path, source)) == source_digest(made(tmp_path, BASE))


@pytest.mark.parametrize(
    "source",
    [
        "def step(x):\n    return x + 2\n",
        "def step(x):\n    return x + 1.0\n",
        "def step(x):\n    return x - 1\n",
        "def step(x, y=None):\n    return x + 1\n",
        "async def step(x):\n    return x + 1\n",
        "def step(x):\n    return None\n",
        "def step(x):\n    return\n",
    ],
)
def test_another_body_is_another_digest(tmp_path: Path, source: str) -> None:
    assert source_digest(made(tmp_path, source)) != source_digest(made(tmp_path, BASE))


def test_a_wrapped_function_and_a_method_are_their_own_code(tmp_path: Path) -> None:
    step = made(tmp_path, BASE)
    outer = functools.wraps(step)(lambda x: step(x))
    assert source_digest(outer) == source_digest(step)

    class Holder:
        def step(self) -> int:
            return 1

    assert source_digest(Holder().step) == source_digest(Holder.step)
    digest = source_digest(Holder)
    assert digest is not None and digest.startswith("ast:")


def test_without_source_the_compiled_code_counts() -> None:
    one: dict[str, Any] = {}
    other: dict[str, Any] = {}
    third: dict[str, Any] = {}
    exec("def step(x):\n    'doc'\n    return x in {'a', 'b', 'c'}", one)
    exec("\n\n\ndef step(x):\n    'other'\n    return x in {'a', 'b', 'c'}", other)
    exec("def step(x):\n    'doc'\n    return x in {'a', 'b', 'd'}", third)
    digest = source_digest(one["step"])
    assert digest is not None and digest.startswith("code3.")
    assert digest == source_digest(other["step"]) != source_digest(third["step"])


def test_lambdas_are_told_apart_by_their_code() -> None:
    one, other, same = (lambda x: (x, 1)), (lambda x: (x, 2)), (lambda x: (x, 1))
    assert source_digest(one) == source_digest(same) != source_digest(other)
    assert code_digest((lambda: "a").__code__) != code_digest((lambda: "b").__code__)
    nested = code_digest((lambda: [lambda: 1]).__code__)
    assert nested != code_digest((lambda: [lambda: 2]).__code__)


def test_what_has_no_code_has_no_digest() -> None:
    assert source_digest(len) is None
    assert source_digest(functools.partial(len)) is None


def test_a_function_whose_source_is_no_function_falls_back_to_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inspect

    step = made(tmp_path, BASE)
    for text in ("x = 1\n", "    broken(\n"):
        monkeypatch.setattr(inspect, "getsource", lambda _, text=text: text)
        digest = source_digest(step)
        assert digest is not None and digest.startswith("code3.")
