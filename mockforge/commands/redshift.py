"""`mockforge redshift`: a galaxy's image as it would be at another redshift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.tasks.redshifter.geometry import centroid
from mockforge.tasks.redshifter.learned import pixel_noise
from mockforge.tasks.redshifter.model import Redshifter, load_redshifter, predict
from mockforge.train.fields import check_learned_like, in_order, made_by

_OFF = 2.0
"""Pixels from the stamp's middle, in y or x, at which the light of a galaxy may be centred."""
_SURE = 10.0
"""Light of the middle, in units of its noise, from which its centre is known."""
_FAINT = 5.0
"""The same, below which a prediction is mostly what galaxies are like."""

Center = tuple[float, float] | str | None


def redshift(
    image: Field | str | Path | Sequence[str | Path],
    model: Redshifter | str | Path = "redshifter",
    *,
    z_in: float,
    z_out: float,
    center: Center = None,
    extrapolate: bool = False,
    device: str = "cpu",
    **reading: Any,
) -> Field:
    """Return the image of a galaxy at `z_in` as it would be at `z_out`: a noiseless stamp in nJy.

    Parameters
    ----------
    image
        A Field, or FITS files as `mockforge.Field.read` takes them. Its sky is subtracted.
    model
        A redshifter, by name or path. Bands are matched by name; others are left out.
    z_in, z_out
        Redshift of the galaxy, and the one that is wanted.
    center
        (x, y) in pixels from 0, or "middle": where a stamp is cut from a larger image.
    extrapolate
        Go on where the input is not like the training set.
    device
        Where the network runs: cpu, cuda, cuda:1, ... or auto.
    **reading
        Keywords of `Field.read`: `bands`, `extensions`, `zeropoint`, `pixel_scale_arcsec`.

    Returns
    -------
    Field
        The stamp with the model's bands, the PSF of its targets, the pixels and the WCS of the input, and
        in `header` z_in, z_out, the model and the sha256 of its weights.

    Raises
    ------
    InputError
        Unit, bands, pixel scale or stamp are not the model's; and, unless `extrapolate`, redshifts, PSF
        or noise lie outside what it learned, the galaxy is off the middle, or pixels are masked.
    """
    if isinstance(image, Field):
        if reading:
            raise InputError(f"{', '.join(reading)}: for files; a Field knows its own")
    else:
        image = Field.read(image, require_njy=True, **reading)
    chosen = model if isinstance(model, Redshifter) else load_redshifter(model)
    return redshifted(stamp_of(image, chosen, center), chosen, z_in, z_out, extrapolate, device).field


@dataclass(frozen=True)
class Redshifted:
    """What came of a stamp."""

    field: Field
    notes: tuple[str, ...]
    """What was not like the training set, could not be compared with it, or is too faint."""

    def table(self, stamp: Field, truth: Field | None = None) -> Iterator[str]:
        """Lines: the flux of each band before and after, and the error where the truth is known."""
        for i, band in enumerate(self.field.bands):
            near, far = (float(f.image[i].sum()) for f in (stamp, self.field))
            line = f"  {band}  {near:.4g} to {far:.4g}"
            if truth is not None:
                true = float(truth.image[i].sum())
                line += f", true {true:.4g}" + (f" ({100 * (far / true - 1):+.1f}%)" if true > 0 else "")
            yield line


def redshifted(
    stamp: Field, model: Redshifter, z_in: float, z_out: float, extrapolate: bool = False, device: str = "cpu"
) -> Redshifted:
    """Return a stamp of `stamp_of` at another redshift; see `redshift`."""
    for name, z in (("z_in", z_in), ("z_out", z_out)):
        if not 0 < z < np.inf:
            raise InputError(f"{name} is {z:g}; a redshift above 0 is expected")
    if not stamp.image.any():
        raise InputError(f"the image is 0 in every pixel of {', '.join(model.bands)}")
    unlike = list(_departures(stamp, model, z_in, z_out))
    check_learned_like(model.name, unlike, extrapolate)
    image = np.ascontiguousarray(stamp.image)[None]  # the order in memory is the order of sums
    predicted = predict(model, image, z_in, z_out, device=device)[0]
    learned = model.learned
    if stamp.psf_fwhm_arcsec is None and any(learned.psf_fwhm_in_arcsec or ()):
        unlike.append(
            "the PSF of the image is not known, so it was not compared with that of the training set"
        )
    light = _light(stamp.image)
    if light < _FAINT:
        unlike.append(f"the light is {light:.1f} times its noise, so little of what is predicted is observed")
    width = learned.psf_fwhm_out_arcsec
    field = Field(
        image=predicted,
        bands=model.bands,
        pixel_scale_arcsec=stamp.pixel_scale_arcsec,
        psf_fwhm_arcsec=width if width and all(width) else None,
        wcs=stamp.wcs,
        header=made_by(model.name, model.sha256, model.bands, "redshifted")
        | {"Z_IN": (float(z_in), "redshift of the input"), "Z_OUT": (float(z_out), "redshift of the image")},
    )
    return Redshifted(field, tuple(unlike))


def stamp_of(field: Field, model: Redshifter, center: Center = None) -> Field:
    """Return the stamp that the model takes: its bands, cut about `center` from a larger image.

    Raises InputError where bands, unit or pixels are not the model's, or no stamp can be cut.
    """
    field = in_order(field, model.name, model.bands, model.pixel_scale_arcsec)
    (height, width), (_, ny, nx) = model.shape, field.shape
    takes = f"model {model.name} takes stamps of {width} x {height} pixels (x, y)"
    if ny < height or nx < width:
        raise InputError(f"{takes}, the image has {nx} x {ny}; cut a larger one about the galaxy")
    if center is None:
        if (ny, nx) == (height, width):
            return field
        x, y = brightest(field.image)
        raise InputError(
            f"{takes}, the image has {nx} x {ny}: say where the galaxy is with --center X,Y in pixels from 0 "
            f"(the brightest source is near --center {x},{y}), or --center middle"
        )
    x, y = _place(center, (ny, nx))
    y0, x0 = (int(np.floor(v - (n - 1) / 2 + 0.5)) for v, n in ((y, height), (x, width)))
    if not (0 <= y0 <= ny - height and 0 <= x0 <= nx - width):
        raise InputError(
            f"--center {x:g},{y:g}: {takes}, and that one leaves the image of {nx} x {ny}; choose a galaxy "
            f"with x from {(width - 1) / 2:g} to {nx - (width + 1) / 2:g} and y from {(height - 1) / 2:g} to "
            f"{ny - (height + 1) / 2:g}, or pad the image"
        )
    return field.cutout(y0, y0 + height, x0, x0 + width)


def _place(center: tuple[float, float] | str, shape: tuple[int, int]) -> tuple[float, float]:
    """x, y in pixels from 0."""
    if center == "middle":
        return (shape[1] - 1) / 2, (shape[0] - 1) / 2
    try:
        x, y = (float(v) for v in (center.split(",") if isinstance(center, str) else center))
    except (TypeError, ValueError):
        raise InputError(f"--center: should be X,Y in pixels from 0, or middle, found {center!r}") from None
    if not (np.isfinite(x) and np.isfinite(y)):
        raise InputError(f"--center: should be two finite numbers, found {center!r}")
    return x, y


def brightest(image: np.ndarray) -> tuple[int, int]:
    """x, y of the brightest 5 x 5 pixels of an image (C,H,W), bands in units of their noise."""
    import torch

    light = torch.from_numpy(_in_noise(image).sum(axis=0))[None, None]
    smooth = torch.nn.functional.avg_pool2d(light, 5, stride=1, padding=2)[0, 0]
    y, x = divmod(int(smooth.argmax()), smooth.shape[1])
    return x, y


def _departures(stamp: Field, model: Redshifter, z_in: float, z_out: float) -> Iterator[str]:
    learned = model.learned
    if learned.z_in is None and model.redshifts[1] > 0:
        learned = replace(learned, z_in=model.redshifts, z_out=model.redshifts)
    yield from learned.departures(model.bands, stamp.image, stamp.psf_fwhm_arcsec, z_in, z_out)
    if stamp.mask is not None and stamp.mask.any():
        yield f"{int(stamp.mask.sum())} of its {stamp.mask.size} pixels are masked, and taken as 0"
    y, x = _centre(stamp.image)
    if max(abs(x), abs(y)) > _OFF:
        yield f"the light is centred {x:+.1f}, {y:+.1f} pixels (x, y) off the stamp's middle; cut it there"


def _light(image: np.ndarray) -> float:
    """Light about the middle of a stamp in units of its noise, all bands."""
    _, height, width = image.shape
    y, x = np.ogrid[:height, :width]
    near = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) < min(height, width) / 5
    return float(_in_noise(image)[:, near].sum() / np.sqrt(len(image) * near.sum()))


def _centre(image: np.ndarray) -> tuple[float, float]:
    """y, x of the centre of the light from the stamp's middle; 0 where it is lost in the noise."""
    import torch

    if _light(image) < _SURE:
        return 0.0, 0.0
    _, height, width = image.shape
    centre = centroid(torch.from_numpy(image[None]), min(height, width) / 5)[0].numpy()
    return float(centre[0] - (height - 1) / 2), float(centre[1] - (width - 1) / 2)


def _in_noise(image: np.ndarray) -> np.ndarray:
    """Bands in units of their noise, of their brightest pixel's ten-thousandth where they have none."""
    floor = 1e-4 * np.abs(image).max(axis=(1, 2))
    return image / np.maximum(np.maximum(pixel_noise(image), floor), 1e-30)[:, None, None]
