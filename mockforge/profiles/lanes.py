"""The same bits for a galaxy whatever it is drawn with.

Three things make a number depend on where in a batch it is computed. Sums inside a product of matrices
are split as the batch's size suggests: here sums are made term after term. The numbers at the end of a
list, fewer than a processor takes at a time, are left to other code, which may round differently, and
so may those of rows that begin between two vectors: here lists and rows are filled up to whole vectors.
And batches of Fourier transforms may be interleaved: here each galaxy has a transform of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

VECTOR = 64
"""Lists are filled up to multiples of this: the widest vectors hold 16, and loops take four at a time."""


def spared(values: Tensor) -> Tensor:
    """(M, ...) with the last row repeated until their number is a multiple of `VECTOR`."""
    rows = whole(len(values)) - len(values)
    return torch.cat([values, values[-1:].expand(rows, *values.shape[1:])]) if rows else values


def whole(count: int) -> int:
    """Return the next multiple of `VECTOR`."""
    return -(-count // VECTOR) * VECTOR


def summed(terms: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of `terms` (P, ...), which it uses up, times `weights` (P,), one after the other."""
    terms.mul_(weights.view(-1, *[1] * (terms.dim() - 1)))
    out = terms[0].clone()
    for term in terms[1:]:
        out.add_(term)
    return out


def each_transform(
    spectra: Tensor, size: tuple[int, int], window: tuple[slice, slice], out: Tensor | None = None
) -> Tensor:
    """Return the inverse real transforms of (M, J, y, x // 2 + 1), galaxy by galaxy, cut to a window."""
    if spectra.device.type != "cpu":
        made = torch.fft.irfft2(spectra, s=size)[(..., *window)]
        return made if out is None else out.copy_(made)
    if out is None:
        shape = [len(range(n)[some]) for n, some in zip(size, window, strict=True)]
        out = torch.empty((*spectra.shape[:2], *shape), dtype=torch.float32, device=spectra.device)
    for own, spectrum in zip(out, spectra, strict=True):
        aligned = spectrum.clone(memory_format=torch.contiguous_format)
        own.copy_(torch.fft.irfft2(aligned, s=size)[(..., *window)])
    return out


def each_spectrum(pixels: Tensor) -> Tensor:
    """Return the real transforms of (M, y, x), galaxy by galaxy."""
    if pixels.device.type != "cpu":
        return torch.fft.rfft2(pixels)
    return torch.stack([torch.fft.rfft2(own.clone()) for own in pixels])
