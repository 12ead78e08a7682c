"""Round profiles of the PSFs of real telescopes, with cores and wings as measured: `profiles.yaml`.

A profile is a sum of Gaussians, behind the diffraction of a round aperture where one is given: what
the detector's charge diffusion, the pixel and the dithers blur, and the few per cent that are scattered
far out. Its transfer function is exact, and it has no pixel; shares and widths were fitted to the
light within circles of 0.05 to 4 arcsec of real PSF images, pixels and centring included.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from mockforge.config import Limit, NonNegative, Positive, config
from mockforge.errors import InputError, nearest

FILE = Path(__file__).parent / "profiles.yaml"


@config
class Profile:
    """One band's PSF before the pixel, round, of sum 1."""

    blur: tuple[tuple[Positive, NonNegative], ...]
    """Gaussians: share of the light, and sigma in arcsec. The shares add up to 1."""
    diameter_m: Positive | None = None
    """Diameter of the aperture, whose diffraction comes first; null: Gaussians alone."""
    obscuration: Annotated[float, Limit(ge=0, lt=1)] = 0.0
    """Diameter of the central obscuration over that of the aperture."""
    wavelength_um: Positive | None = None
    """Wavelength of the diffraction."""

    def __post_init__(self) -> None:
        total = sum(share for share, _ in self.blur)
        if abs(total - 1.0) > 1e-3:
            raise ValueError(f"the shares of blur should add up to 1, found {total:g}")
        if (self.diameter_m is None) != (self.wavelength_um is None):
            raise ValueError("diameter_m and wavelength_um go together")
        if self.diameter_m is None and min(sigma for _, sigma in self.blur) == 0:
            raise ValueError("without an aperture every sigma of blur should be > 0")


def profile(name: str) -> Profile:
    """Return a profile by its name in `profiles.yaml`; InputError with the nearest name."""
    table = _profiles()
    if name not in table:
        raise InputError(f"unknown PSF profile {name!r}{nearest(name, table)}; there are {', '.join(table)}")
    return table[name]


@lru_cache(maxsize=1)
def _profiles() -> dict[str, Profile]:
    from pydantic import TypeAdapter
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Profile]).validate_python(document)
