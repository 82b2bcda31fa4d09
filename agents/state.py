"""Saving and loading the state of a processor, whatever its class.

A state is a dataclass whose fields are numpy arrays, numbers, texts, lists or dicts of numbers and texts, or further
such dataclasses. Inside dicts a tuple comes back as a list. It is saved as safetensors: arrays as tensors, the rest
as JSON beside them. No pickle.
"""

import json
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from contracts.errors import CorruptEvent

S = TypeVar("S")
_HEADER_BYTES = 8
_SIMPLE = frozenset({bool, int, float, str, type(None)})


def dump(state: Any) -> bytes:
    """The bytes of a state; equal states give equal bytes."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    tree = _plain(state, "", tensors)
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
    return save(tensors, metadata={"state": text})


def restore(template: S, data: bytes) -> S:
    """The state that ``dump`` saved, put into ``template`` (a fresh state of the same class).

    Raises CorruptEvent when the bytes do not hold a state of this shape.
    """
    try:
        return cast(S, _filled(template, _tree(data), "", load(data)))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, SafetensorError) as error:
        raise CorruptEvent(f"not a state of {type(template).__name__}: {error!r}") from error


def outline(data: bytes) -> Any:
    """What ``dump`` saved, without the arrays: a dict for each dataclass.

    Raises CorruptEvent when the bytes do not hold a state.
    """
    try:
        return _tree(data)
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptEvent(f"not a state: {error!r}") from error


def _tree(data: bytes) -> Any:
    size = int.from_bytes(data[:_HEADER_BYTES], "little")
    header = json.loads(data[_HEADER_BYTES : _HEADER_BYTES + size])
    return json.loads(header["__metadata__"]["state"])


def _plain(value: Any, path: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        # Not ascontiguousarray: it makes one dimension of none.
        tensors[path] = np.asarray(value, order="C")
        return None
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name), f"{path}/{f.name}", tensors) for f in fields(value)}
    if isinstance(value, dict):
        return [[_key(key), item if type(item) in _SIMPLE else _leaf(item, path)] for key, item in value.items()]
    return _leaf(value, path)


def _key(key: Any) -> Any:
    return list(key) if isinstance(key, tuple) else key


def _leaf(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        # Most of a large state is plain items in lists: a call for each would be most of what a save costs.
        return [item if type(item) in _SIMPLE else _leaf(item, path) for item in value]
    raise TypeError(f"state{path} holds a {type(value).__name__}, which cannot be saved")


def _filled(template: Any, saved: Any, path: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(template, np.ndarray):
        array = tensors[path]
        if array.dtype != template.dtype or array.ndim != template.ndim:
            raise ValueError(f"state{path} is {array.dtype}[{array.ndim}], expected {template.dtype}[{template.ndim}]")
        # The loaded buffer is read-only and shared.
        return array.copy()
    if is_dataclass(template):
        if set(saved) != {f.name for f in fields(template)}:
            raise ValueError(f"state{path} has fields {sorted(saved)}")
        for f in fields(template):
            setattr(
                template,
                f.name,
                _filled(getattr(template, f.name), saved[f.name], f"{path}/{f.name}", tensors),
            )
        return template
    if isinstance(template, dict):
        return {_frozen(key): item for key, item in saved}
    if isinstance(template, tuple):
        return _frozen(saved)
    return saved


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
