"""What can be done without a network: interpolation, and Richardson-Lucy deconvolution."""

from __future__ import annotations

import numpy as np
import torch

from mockforge.evaluate.recover.truth import MeasuredStamps
from mockforge.tasks.recover.grid import upsampled

BICUBIC, LUCY = "bicubic", "Richardson-Lucy"
WHAT = {
    BICUBIC: "cubic interpolation of the degraded image, flux kept",
    LUCY: "its deconvolution with the PSF known (Richardson 1972, Lucy 1974), as many rounds as do best",
}
_ROUNDS = (5, 10, 20, 40)
"""Rounds that are tried; the best is what is shown, which a user without the truth could not know."""


def baselines(stamps: MeasuredStamps) -> dict[str, np.ndarray]:
    """Return method -> fine images (N,C,H,W) nJy; deconvolution where the PSF is known."""
    base = upsampled(torch.from_numpy(stamps.image), stamps.scales.fine, stamps.scales.step)
    out = {BICUBIC: base.numpy()}
    if stamps.psf is not None:
        shape = stamps.psf.shape[-2:]
        side = tuple(2 * int(n * stamps.scales.step / 2) + 1 for n in shape)
        psf = upsampled(torch.from_numpy(stamps.psf), (side[0], side[1]), stamps.scales.step)
        tries = richardson_lucy(base, psf.clamp_min(0), _ROUNDS)
        truth = torch.from_numpy(stamps.truth)
        best = min(tries, key=lambda made: float(_error(made, truth)))
        out[LUCY] = best.numpy()
    return out


def _error(made: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    power = truth.square().sum(dim=(2, 3)).clamp_min(1e-30)
    return ((made - truth).square().sum(dim=(2, 3)) / power).log().mean()


def richardson_lucy(image: torch.Tensor, psf: torch.Tensor, rounds: tuple[int, ...]) -> list[torch.Tensor]:
    """Deconvolved images (N,C,H,W) after each of some numbers of rounds.

    `psf` (C,s,s), s odd. The image is lifted by a level that makes it positive, and put down
    again afterwards. Richardson 1972, JOSA 62, 55; Lucy 1974, AJ 79, 745.
    """
    height, width = image.shape[2:]
    reach = psf.shape[-1] // 2
    image = torch.nn.functional.pad(image, (reach,) * 4, mode="replicate")
    size = image.shape[2:]
    psf = psf / psf.sum(dim=(1, 2), keepdim=True)
    kernel = torch.zeros(len(psf), *size)
    kernel[:, : psf.shape[1], : psf.shape[2]] = psf
    transfer = torch.fft.rfft2(kernel.roll((-reach, -reach), dims=(1, 2)))
    lift = (-image.amin(dim=(2, 3), keepdim=True)).clamp_min(0) * 1.01 + 1e-6
    observed, sharpened = image + lift, image + lift
    out = []
    for k in range(1, max(rounds) + 1):
        blurred = torch.fft.irfft2(torch.fft.rfft2(sharpened) * transfer, s=size).clamp_min(1e-9)
        sharpened = sharpened * torch.fft.irfft2(
            torch.fft.rfft2(observed / blurred) * transfer.conj(), s=size
        )
        if k in rounds:
            out.append((sharpened - lift)[:, :, reach : reach + height, reach : reach + width].contiguous())
    return out
