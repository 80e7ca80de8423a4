"""Tensors as safetensors.

torch weighs gigabytes and is not installed for the tests. Here stands in a tensor over a NumPy array
with the few methods that are used, and the real safetensors, through its NumPy half. Where the real
torch is installed, the last test uses it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import numpy
import pytest
import safetensors.numpy

from surefoot.codec import Codec, decode, encode
from surefoot.errors import UnsavableError
from surefoot.fingerprint.arguments import ArgumentDigester


class Tensor:
    __module__ = "torch"
    layout = "strided"
    is_quantized = False

    def __init__(self, array: Any, device: str = "cpu", requires_grad: bool = False) -> None:
        self.array, self.device, self.requires_grad = numpy.asarray(array), device, requires_grad

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)

    def detach(self) -> Tensor:
        return self

    contiguous = clone = detach

    def cpu(self) -> Tensor:
        return Tensor(self.array)

    def to(self, device: str) -> Tensor:
        return Tensor(self.array, device)

    def reshape(self, shape: int) -> Tensor:
        return Tensor(self.array.reshape(shape))

    def view(self, dtype: str) -> Tensor:
        return Tensor(self.array.view(dtype))

    def numpy(self) -> Any:
        return self.array


Tensor.__qualname__ = "Tensor"


class Parameter(Tensor):
    __module__ = "torch.nn.parameter"


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("torch")
    stand_in.Tensor = Tensor  # type: ignore[attr-defined]
    stand_in.strided, stand_in.uint8 = "strided", "uint8"  # type: ignore[attr-defined]
    half = types.ModuleType("safetensors.torch")
    half.save = lambda tensors, metadata: safetensors.numpy.save(  # type: ignore[attr-defined]
        {name: tensor.array for name, tensor in tensors.items()}, metadata
    )
    half.load = lambda data: {  # type: ignore[attr-defined]
        name: Tensor(array) for name, array in safetensors.numpy.load(data).items()
    }
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    monkeypatch.setitem(sys.modules, "safetensors.torch", half)
    monkeypatch.setattr(safetensors, "torch", half, raising=False)


@pytest.mark.usefixtures("torch")
def test_a_tensor_is_a_safetensors_file_and_comes_back() -> None:
    encoded = encode(Tensor([[1.5, 2.5]]))
    assert encoded.format == "safetensors"
    assert list(safetensors.numpy.load(encoded.data)) == ["__surefoot_tensor__"]
    got = decode(*encoded)
    numpy.testing.assert_array_equal(got.array, [[1.5, 2.5]])


@pytest.mark.usefixtures("torch")
def test_a_dictionary_of_tensors_keeps_its_order_and_devices() -> None:
    value = {"b": Tensor([1]), "a": Tensor([2.0], device="cuda:1"), "c": Tensor([3])}
    encoded = encode(value)
    assert encoded.format == "safetensors"
    got = decode(*encoded)
    assert list(got) == ["b", "a", "c"]
    assert [tensor.device for tensor in got.values()] == ["cpu", "cuda:1", "cpu"]


@pytest.mark.usefixtures("torch")
def test_tensors_inside_of_other_data_come_back() -> None:
    got = decode(*encode([{"t": Tensor([1, 2]), "n": 1}, Tensor([3])]))
    numpy.testing.assert_array_equal(got[0]["t"].array, [1, 2])
    mixed = decode(*encode({"t": Tensor([1]), "n": 1}))
    assert mixed["n"] == 1


@pytest.mark.usefixtures("torch")
def test_what_a_file_does_not_hold_is_refused() -> None:
    with pytest.raises(UnsavableError, match=r"result is a tensor with a gradient"):
        encode(Tensor([1.0], requires_grad=True))
    with pytest.raises(UnsavableError, match=r"result\['b'\] is a tensor with a gradient"):
        encode({"a": Tensor([1.0]), "b": Tensor([1.0], requires_grad=True)})
    sparse = Tensor([1.0])
    sparse.layout = "sparse_coo"
    with pytest.raises(UnsavableError, match="sparse or quantized"):
        encode([sparse])
    with pytest.raises(UnsavableError, match=r"torch\.nn\.parameter\.Parameter"):
        encode([Parameter([1.0])])


@pytest.mark.usefixtures("torch")
def test_without_safetensors_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.delattr(safetensors, "torch")
    with pytest.raises(UnsavableError, match=r'pip install "surefoot\[tensors\]"'):
        encode(Tensor([1.0]))


@pytest.mark.usefixtures("torch")
def test_tensors_as_arguments_count_by_their_bytes() -> None:
    def step(x): ...  # type: ignore[no-untyped-def]

    digester = ArgumentDigester(step)
    one, same, other = (digester.digest((Tensor([n]),), {}).total for n in (1.0, 1.0, 2.0))
    assert one == same != other


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_real_torch() -> None:
    import torch as real

    tensor = real.arange(6, dtype=real.bfloat16).reshape(2, 3)
    codec = Codec()
    assert real.equal(codec.decode(*codec.encode(tensor)), tensor)
    got = codec.decode(*codec.encode([{"w": tensor.t()}]))
    assert real.equal(got[0]["w"], tensor.t())
