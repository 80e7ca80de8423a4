"""What ``returns=`` accepts, and where ``no_nan`` looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypedDict

import attrs
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from surefoot import no_nan, step
from surefoot.errors import UnexpectedOutput
from surefoot.execution.output import OutputCheck

NAN = float("nan")


@dataclass
class Plain:
    x: float


class Model(pydantic.BaseModel):
    x: float


class Packed(msgspec.Struct):
    x: float


@attrs.define
class Attributes:
    x: float


class Typed(TypedDict):
    x: float


class Tensor:
    """As torch has it: a dtype without a kind, and ``isnan``."""

    dtype = "torch.float32"

    def __init__(self, *numbers: float) -> None:
        self._array = np.array(numbers)

    def isnan(self) -> Any:
        return np.isnan(self._array)


class Labels(Tensor):
    """Something else with a dtype."""

    dtype = "labels"

    def isnan(self) -> Any:
        raise TypeError("labels are no numbers")


@pytest.mark.parametrize(
    ("returns", "given", "comes_out"),
    [
        (Plain, '{"x": 1}', Plain(1.0)),
        (Plain, {"x": 1.5}, Plain(1.5)),
        (Model, '{"x": 1}', Model(x=1.0)),
        (Packed, b'{"x": 1}', Packed(1.0)),
        (Typed, '{"x": 1}', {"x": 1.0}),
        (Typed, {"x": 1}, {"x": 1.0}),
        (list[Plain], [Plain(1.0), {"x": 2}], [Plain(1.0), Plain(2.0)]),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (Literal["yes", "no"], '"yes"', "yes"),
        (int | None, "null", None),
        (str, "as it is", "as it is"),
        (bytes, "as bytes", b"as bytes"),
    ],
)
def test_an_output_is_read_as_what_is_asked_for(returns: Any, given: Any, comes_out: Any) -> None:
    assert OutputCheck(returns, (), "step ask")(given) == comes_out


@pytest.mark.parametrize(
    ("returns", "given", "kind"),
    [
        (Typed, {"x": "1"}, "unexpected_output"),
        (Typed, {"x": 1, "y": 2}, "unexpected_output"),
        (int, 1.0, "unexpected_output"),
        (list[int], (1, 2), "unexpected_output"),
        (Literal["yes", "no"], "yes", "malformed_output"),
        (Plain, '{"x": ', "output_truncated"),
    ],
)
def test_an_output_of_another_form_is_told(returns: Any, given: Any, kind: str) -> None:
    with pytest.raises(UnexpectedOutput) as told:
        OutputCheck(returns, (), "step ask")(given)
    assert told.value.kind == kind


WITH = {
    "float": lambda x: x,
    "complex": lambda x: complex(x, 0),
    "decimal": lambda x: Decimal(str(x)),
    "set": lambda x: {x},
    "dataclass": Plain,
    "pydantic": lambda x: Model.model_construct(x=x),
    "msgspec": Packed,
    "attrs": Attributes,
    "numpy_number": np.float32,
    "numpy_array": lambda x: np.array([[1.0, x]]),
    "numpy_objects": lambda x: np.array(["a", x, None], dtype=object),
    "pandas_series": lambda x: pd.Series([1.0, x]),
    "pandas_frame": lambda x: pd.DataFrame({"a": ["x", "y"], "b": [1.0, x]}),
    "polars_series": lambda x: pl.Series([1.0, x]),
    "polars_frame": lambda x: pl.DataFrame({"a": ["x", "y"], "b": [1.0, x]}),
    "arrow_array": lambda x: pa.array([1.0, x]),
    "arrow_table": lambda x: pa.table({"a": ["x", "y"], "b": [1.0, x]}),
    "tensor": lambda x: Tensor(1.0, x),
}


@pytest.mark.timeout(20)  # the truth of a NumPy number is a NumPy number: this did not end once
@pytest.mark.parametrize("holder", WITH.values(), ids=list(WITH))
def test_nan_is_found_wherever_numbers_are_kept(holder: Callable[[float], Any]) -> None:
    assert no_nan(holder(2.0)) is None
    assert no_nan([holder(2.0), holder(NAN)]) is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "nan",
        b"nan",
        7,
        True,
        float("inf"),
        object(),
        Labels(1.0),
        np.array(["x"]),
        np.array([1, 2]),
        pd.Series(["x", None], dtype="str"),
        pd.DataFrame({"n": [1, 2], "text": pd.Series(["x", None], dtype="str")}),
        pl.DataFrame({"a": [1.0, None], "b": ["x", None]}),
        pa.table({"a": [1.0, None], "b": ["x", None]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_missing_or_no_number_is_no_nan(value: Any) -> None:
    assert no_nan(value) is None


def test_the_place_of_a_nan_is_told() -> None:
    assert no_nan(NAN) == "NaN at the top"
    assert no_nan({"rows": [Plain(1.0), Plain(NAN)]}) == "NaN at rows[1].x"
    assert no_nan(pd.DataFrame({"a": [1.0], "b": [NAN]})) == "NaN at b"


def test_a_record_with_a_nan_in_a_field_is_a_numerical_error() -> None:
    @step(stage="inference", attempts=1, returns=Plain, expect=no_nan)
    def ask() -> Any:
        return '{"x": NaN}'

    with pytest.raises(UnexpectedOutput, match="NaN at x") as told:
        ask()
    assert told.value.kind == "numerical_error"
