"""How well a disk's image tells its parameters: the Fisher matrix, by automatic differentiation.

A thin disk is seen as an ellipse, and so is a sheared one: inclination and the shear along the major axis
change the image alike, once the radius is free too. The image alone cannot tell them apart; thickness does,
a little, and a velocity field would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError, nearest
from mockforge.galaxies.disks.model import LENGTHS_IN_R_HALF
from mockforge.galaxies.disks.paint import Disks, disk_images
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.torch_state import steadily

PARAMETERS = {
    "flux": 1000.0,
    "x": 0.0,
    "y": 0.0,
    "r_half": 0.5,
    "thickness": 0.0,
    "inclination": 60.0,
    "position_angle": 0.0,
    "g1": 0.0,
    "g2": 0.0,
}
"""Names and values where none are given: flux in nJy; place from the stamp's centre, half-light radius in
arcsec; scale height over scale length; degrees; reduced shear."""
SIMPLEST = ("flux", "r_half", "inclination", "g1")
"""What is free in the simplest case."""
_PADDED = 3
"""Side of the padded stamp over the stamp's."""


@dataclass(frozen=True)
class Forecast:
    """The Fisher matrix of an image with white noise, and what follows from it."""

    names: tuple[str, ...]
    fisher: np.ndarray
    """(P, P) in the units of `PARAMETERS`."""

    def covariance(self) -> np.ndarray:
        """Return the inverse (P, P); huge where the image cannot tell parameters apart."""
        scale = 1 / np.sqrt(np.diag(self.fisher))
        values, vectors = np.linalg.eigh(self.fisher * scale[:, None] * scale)
        values = np.maximum(values, np.finfo(np.float64).eps * values.max())
        return (vectors / values) @ vectors.T * scale[:, None] * scale

    def errors(self) -> dict[str, float]:
        """Return the least standard deviation of each parameter, all others free (Cramer and Rao)."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance())).tolist(), strict=True))

    def correlation(self, first: str, second: str) -> float:
        """Return the correlation of two parameters, all others free."""
        i, j = self.names.index(first), self.names.index(second)
        covariance = self.covariance()
        return float(covariance[i, j] / np.sqrt(covariance[i, i] * covariance[j, j]))

    def degeneracy(self) -> float:
        """Return the least over the greatest eigenvalue, each parameter in its own error; 0: singular."""
        scale = 1 / np.sqrt(np.diag(self.fisher))
        values = np.linalg.eigvalsh(self.fisher * scale[:, None] * scale)
        return float(max(values[0], 0.0) / values[-1])


@steadily()
def disk_forecast(
    free: Sequence[str] = SIMPLEST,
    at: Mapping[str, float] | None = None,
    psf: Psf | None = None,
    stamp: int = 64,
    pixel_scale_arcsec: float = 0.06,
    rms_njy: float = 1.0,
) -> Forecast:
    """Return the Fisher matrix of an exponential disk's image, F_ij = sum (dI/dp_i) (dI/dp_j) / rms^2.

    Parameters
    ----------
    free : sequence of str
        The P parameters that are free, of `PARAMETERS`; the others are known.
    at : mapping of str to float, optional
        Values that are not those of `PARAMETERS`.
    psf : Psf, optional
        By default a Moffat of beta 3.5 and FWHM 0.12 arcsec.
    stamp : int
        Height and width of the image, pixels.
    pixel_scale_arcsec : float
        Size of a pixel.
    rms_njy : float
        White noise of a pixel, nJy.

    Returns
    -------
    Forecast
        The matrix and, from it, errors and correlations.

    Raises
    ------
    InputError
        An unknown parameter, or none that is free.

    References
    ----------
    Tegmark, Taylor & Heavens 1997, ApJ 480, 22, section 2.

    Examples
    --------
    >>> disk_forecast().correlation("inclination", "g1")   # a thin disk: nothing tells them apart
    -1.0
    """
    for name in (*free, *(at or {})):
        if name not in PARAMETERS:
            raise InputError(f"disk_forecast: unknown parameter {name!r}{nearest(name, tuple(PARAMETERS))}")
    if not free or len(set(free)) < len(free):
        raise InputError(f"disk_forecast: free should be one or more different names, found {list(free)}")
    values = PARAMETERS | dict(at or {})
    seen = transfer(
        psf or Psf(moffat=Moffat(fwhm_arcsec=0.12, beta=3.5)), ("image",), pixel_scale_arcsec,
        (_PADDED * stamp, _PADDED * stamp),
    ).on("cpu")  # fmt: skip

    def image(numbers: Tensor) -> Tensor:
        p = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
        p |= {name: numbers[i : i + 1] for i, name in enumerate(free)}
        r_half, middle = p["r_half"] / pixel_scale_arcsec, (stamp - 1) / 2
        disks = Disks(
            p["x"] / pixel_scale_arcsec + middle, p["y"] / pixel_scale_arcsec + middle, r_half,
            torch.ones_like(r_half), p["thickness"] * r_half / LENGTHS_IN_R_HALF,
            p["inclination"], p["position_angle"], p["g1"], p["g2"],
        )  # fmt: skip
        light = disk_images(disks, seen, (stamp, stamp))[0] * seen.mix[0].double()[:, None, None]
        return light.sum(dim=0) * p["flux"]

    numbers = torch.tensor([values[name] for name in free], dtype=torch.float64)
    slope = _slopes(image, numbers).flatten(1).numpy()
    return Forecast(tuple(free), slope @ slope.T / rms_njy**2)


def _slopes(image: Callable[[Tensor], Tensor], numbers: Tensor) -> Tensor:
    """Return the derivatives (P, ...) of an image by each of (P,) numbers.

    The gradient of `weight . image` is linear in the weights, and its gradient by them is a derivative of
    the image: P backward passes in place of one a pixel.
    """
    numbers = numbers.requires_grad_(True)
    pixels = image(numbers)
    weight = torch.zeros_like(pixels, requires_grad=True)
    (gradient,) = torch.autograd.grad(pixels, numbers, weight, create_graph=True)
    return torch.stack([torch.autograd.grad(one, weight, retain_graph=True)[0] for one in gradient])
