"""A trained network that recovers: what its two files say, its card, and its images.

>>> model = load_recoverer("recover-hsc")
>>> predict(model, image)        # (N,C,h,w) nJy of a coarse image in, (N,C,H,W) of a fine one out
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.config import Limit
from mockforge.errors import InputError
from mockforge.field.picture import sky_rms
from mockforge.tasks.recover.config import RecovererNetwork
from mockforge.tasks.recover.degraded import Scales, depth_of, fine_unit
from mockforge.tasks.recover.grid import fine_shape, upsampled
from mockforge.tasks.recover.make import make_network
from mockforge.tasks.trained import Trained, of_bands
from mockforge.torch_state import steadily
from mockforge.train.model_file import check_bands, one_each
from mockforge.train.parallel import usable
from mockforge.train.weights import check_painted

TILE = 512
"""Fine pixels on a side that are recovered at once."""
_WHAT = {
    "residual": "A residual U-Net on top of the interpolated image, for images of any size",
    "cgan": "The conditional GAN of the original study, for stamps of one size",
}
_LIMITS = (
    "## Limits",
    "",
    "- What it adds below the resolution of its input is a guess from the galaxies of its training",
    "  set: likely, not observed. Do not discover anything in it.",
    "- It knows the PSF, the depth and the bands above. A broader or sharper PSF gives a wrong image.",
    "- Its galaxies are smooth profiles; it was not trained on spiral arms, clumps, stars or artefacts.",
    "- It expects an image whose sky is subtracted, and makes one image, without an error.",
    "",
)


@dataclass(frozen=True, kw_only=True)
class Recoverer(Trained):
    """A network that recovers: the bands, pixels and noise of both telescopes, and weights."""

    what: ClassVar[str] = "a network that recovers"

    network: RecovererNetwork
    scales: Scales
    rms_njy: tuple[Annotated[float, Limit(gt=0, le=1e15)], ...]
    """Usual rms of the sky in a coarse pixel of the training set, nJy, per band."""

    def check(self) -> None:
        """ValueError where a band lacks a number, or numbers contradict each other."""
        s = self.scales
        if not self.rms_njy:
            raise ValueError("rms_njy: one number per band is expected, found none")
        one_each(bands=s.bands, rms_njy=self.rms_njy, psf_fwhm_arcsec=s.psf_fwhm_arcsec)
        one_each(bands=s.bands, fine_bands=s.fine_bands, fine_psf_fwhm_arcsec=s.fine_psf_fwhm_arcsec)
        check_bands("scales.bands", s.bands)
        check_bands("scales.fine_bands", s.fine_bands)
        if s.fine_arcsec > s.coarse_arcsec:
            raise ValueError(
                f"scales: fine_arcsec should not be above coarse_arcsec, found {s.fine_arcsec:g} and"
                f" {s.coarse_arcsec:g}"
            )

    def blank(self) -> nn.Module:
        """Make the network."""
        s = self.scales
        return make_network(self.network.chosen, len(s.bands), s.shape, s.fine)

    def facts(self) -> dict[str, str]:
        """Return what it recovers of what."""
        s = self.scales
        return {
            "recovers": f"the image at {s.fine_arcsec:g} arcsec from one at {s.coarse_arcsec:g}, in nJy",
            "from bands": ", ".join(s.bands),
            "to bands": ", ".join(s.fine_bands),
            "image": f"{s.shape[0]} x {s.shape[1]} pixels" if self.kind == "cgan" else "any size",
            "sky rms": of_bands(s.bands, self.rms_njy, "{:.4g} nJy"),
            "PSF FWHM": of_bands(s.bands, s.psf_fwhm_arcsec, "{:.2f} arcsec"),
        }

    def card(self) -> str:
        """Return what it makes of what, what it was trained on, what it cannot do, as Markdown."""
        s = self.scales
        seeing = s.psf_fwhm_arcsec or (None,) * len(s.bands)
        sharp = s.fine_psf_fwhm_arcsec or (None,) * len(s.bands)
        rows = []
        for row in zip(s.bands, s.fine_bands, self.rms_njy, seeing, sharp, strict=True):
            widths = " | ".join(f"{w:.2f}" if w else "not known" for w in row[3:])
            rows.append(f"| {row[0]} | {row[1]} | {row[2]:.4g} | {widths} |")
        lines = [
            f"# {self.name}",
            "",
            f"{_WHAT[self.kind]}: from pixels of {s.coarse_arcsec:g} arcsec to pixels of "
            f"{s.fine_arcsec:g} arcsec, in nJy.",
            "",
            "| from | to | sky rms (nJy in a coarse pixel) | PSF FWHM before pixels (arcsec) | after |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *self.training_lines(),
            "",
            *_LIMITS,
        ]
        return "\n".join(lines)


def load_recoverer(name: str | Path) -> Recoverer:
    """Return a network that recovers, by name or path; see `Trained.open`."""
    return Recoverer.open(name)


@steadily(None)
@torch.no_grad()
def predict(
    model: Recoverer, image: Any, rms: Any = None, *,
    shape: tuple[int, int] | None = None, device: str = "cpu", batch: int = 64,
) -> np.ndarray:  # fmt: skip
    """Return the fine images (N,C,H,W) float32 nJy of coarse ones (N,C,h,w) nJy, sky subtracted.

    `rms` (N,C) is that of their sky noise in nJy, by default measured on each image. `shape`
    (H, W), by default the fine pixels that fit whole: the middles of both images fall together.
    Large images are recovered in overlapping tiles, with the result of the whole. Deterministic: on a
    CPU images go through the network one by one, and their pixels do not depend on the others', to the
    last bit; on another device up to `batch` at once, and they may differ by rounding. InputError where
    the image does not have the model's bands, or (a cgan) not its size, has no noise, or the device is
    not there.
    """
    coarse = np.asarray(image, dtype=np.float32)
    bands = model.scales.bands
    if coarse.ndim != 4 or coarse.shape[1] != len(bands):
        raise InputError(
            f"model {model.name} takes images of shape (image, {len(bands)}, y, x) in {', '.join(bands)}; "
            f"found {coarse.shape}"
        )
    if model.kind == "cgan" and coarse.shape[2:] != model.scales.shape:
        raise InputError(
            f"model {model.name} takes stamps of {model.scales.shape[0]} x {model.scales.shape[1]} pixels "
            f"only, found {coarse.shape[2]} x {coarse.shape[3]}; a `residual` network takes any"
        )
    step = model.scales.step
    fine = model.scales.fine if model.kind == "cgan" else shape or fine_shape(coarse.shape[2:], step)
    if min(fine) < 1:
        raise InputError(f"an image of {coarse.shape[2]} x {coarse.shape[3]} pixels is too small")
    level = _levels(model, coarse, rms)
    place = usable(device)
    network = model.network_with_weights().to(place).eval()
    out = np.empty((len(coarse), len(bands), *fine), dtype=np.float32)
    size = 1 if place.type == "cpu" else max(1, min(batch, batch * TILE**2 // 64 // (fine[0] * fine[1])))
    for start in range(0, len(coarse), size):
        part = torch.from_numpy(coarse[start : start + size]).to(place)
        unit = fine_unit(torch.from_numpy(level[start : start + size]).to(place), step)
        base = upsampled(part, fine, step)
        out[start : start + size] = _tiled(network, base, unit, depth_of(unit, model.rms_njy, step))
    if np.isfinite(coarse).all():
        check_painted(torch.from_numpy(out), model.name)
    return out


def _levels(model: Recoverer, image: np.ndarray, rms: Any) -> np.ndarray:
    measured = np.stack([sky_rms(stamp) for stamp in image]) if rms is None else np.asarray(rms)
    level = np.broadcast_to(measured, image.shape[:2]).astype(np.float32)
    if not (np.isfinite(level).all() and (level > 0).all()):
        raise InputError(
            f"model {model.name}: the rms of the sky noise should be above 0 in every band"
            f" (found {np.unique(level)[:3].tolist()}); give it in nJy, or an image with noise"
        )
    return level


def _tiled(network: nn.Module, base: Tensor, unit: Tensor, depth: Tensor) -> np.ndarray:
    """Return the network's image, tile by tile where it is large."""
    height, width = base.shape[2:]
    if max(height, width) <= TILE or not hasattr(network, "reach"):
        return network(base, unit, depth).float().cpu().numpy()
    out = np.empty(tuple(base.shape), dtype=np.float32)
    reach = int(network.reach)  # type: ignore[arg-type]
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            y0, x0 = max(0, y - reach), max(0, x - reach)
            y1, x1 = min(height, y + TILE), min(width, x + TILE)
            window = base[:, :, y0 : min(height, y1 + reach), x0 : min(width, x1 + reach)]
            tile = network(window, unit, depth)[:, :, y - y0 : y1 - y0, x - x0 : x1 - x0]
            out[:, :, y:y1, x:x1] = tile.float().cpu().numpy()
    return out
