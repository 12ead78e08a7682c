"""A digest of nested tensors and numbers, kept beside them in a file: a flipped bit does not go unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def tensors_digest(value: Any) -> str:
    """sha256 of tensors, numbers and words in mappings and lists, of whatever device."""
    digest = hashlib.sha256()
    _take(value, digest)
    return digest.hexdigest()


def _take(value: Any, digest: Any) -> None:
    if isinstance(value, Tensor):
        digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
        plain = value.detach().cpu().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"{{{len(value)}".encode())
        for key in sorted(value, key=repr):
            digest.update(repr(key).encode())
            _take(value[key], digest)
    elif isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}".encode())
        for item in value:
            _take(item, digest)
    else:
        digest.update(repr(value).encode())
