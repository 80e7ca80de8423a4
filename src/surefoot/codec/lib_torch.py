"""torch tensors, and dictionaries of them, as safetensors.

A tensor comes back on the device that it was saved from. One that carries a gradient's history is
refused, since that history would be lost.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .refusal import Refused

if TYPE_CHECKING:
    from .reading import Reader
    from .writing import Plan, Writer

__all__ = ["load", "plan", "read", "whole"]

_ONE = "__surefoot_tensor__"


def plan(cls: type) -> Plan | None:
    """How torch values of exactly this class are written, or None."""
    import torch

    return _tensor if cls is torch.Tensor else None


def whole(value: Any) -> tuple[str, bytes] | None:
    """A tensor, or a dictionary of nothing but tensors, is a plain safetensors file."""
    import torch

    if type(value) is torch.Tensor:
        return "safetensors", _save({_ONE: value})
    if type(value) is dict and all(
        type(key) is str and key not in (_ONE, "__metadata__") and type(item) is torch.Tensor
        for key, item in value.items()
    ):
        return "safetensors", _save(value)
    return None


def read(data: bytes) -> Any:
    """The tensors in a safetensors file."""
    import safetensors.torch

    size = int.from_bytes(data[:8], "little")
    said = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    tensors = safetensors.torch.load(bytes(data))
    devices = json.loads(said.get("devices", "{}"))
    # safetensors sorts by its own rules; a dictionary keeps its order.
    names = json.loads(said.get("order", "null")) or list(tensors)
    found = {name: tensors[name].to(devices.get(name, "cpu")) for name in names}
    return found[_ONE] if set(found) == {_ONE} else found


def load(tag: dict[str, Any], reader: Reader) -> Any:
    """What :func:`plan` wrote."""
    return read(reader.blob(tag["v"]))


def _tensor(writer: Writer, value: Any) -> Any:
    return {"$": "tensor", "v": writer.blob(_save({_ONE: value}))}


def _save(tensors: dict[str, Any]) -> bytes:
    import torch

    try:
        import safetensors.torch
    except ImportError:
        raise Refused(
            'is a torch tensor, and saving one needs safetensors: pip install "surefoot[tensors]"'
        ) from None
    for name, tensor in tensors.items():
        inside = "" if name == _ONE else f"[{name!r}]"
        if tensor.requires_grad:
            raise Refused("is a tensor with a gradient; return tensor.detach()").inside(inside)
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise Refused("is a sparse or quantized tensor").inside(inside)
    said = {
        "order": json.dumps(list(tensors)),
        "devices": json.dumps(
            {name: str(t.device) for name, t in tensors.items() if str(t.device) != "cpu"}
        ),
    }
    # Copies: safetensors refuses tensors that share memory, which views of one do.
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return bytes(safetensors.torch.save(copies, metadata=said))
