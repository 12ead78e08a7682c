"""One stretch for several pictures of one galaxy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mockforge.field.picture import STRETCH, WHITE, asinh_rgb
from mockforge.field.robust import sigma_about

_FAINTEST = 1 / 80
"""Of a picture without noise: the share of its core's brightness at which asinh bends."""


def pictures(images: list[np.ndarray], bands: Sequence[str] | None = None) -> list[np.ndarray]:
    """Colour pictures of one galaxy's images, the first the least noisy, all with one stretch.

    The core is just below white. Asinh bends at twice the noise of the last image, or where
    there is none far down the wings, so that what can be seen of the outskirts shows.
    """
    noise = float(np.sqrt(np.mean(_grain(images[-1]) ** 2)))
    core = max(float(np.percentile(images[0].mean(axis=0, dtype=np.float64), 99.9)), 8.0 * noise, 1e-30)
    unit = core / WHITE
    softening = STRETCH * unit / max(2.0 * noise, _FAINTEST * core)
    black = -min(0.5 * noise, 0.02 * core)
    return [asinh_rgb(image, unit, softening, bands, noise, black) for image in images]


def _grain(image: np.ndarray) -> np.ndarray:
    """Noise of each band, (C,): from differences of neighbours, which a smooth galaxy lacks."""
    step = np.diff(image, axis=2).reshape(len(image), -1)
    return sigma_about(step, 0.0, axis=1) / np.sqrt(2.0)
