"""How noise follows the night sky: its strong emission lines, by wavelength in air and relative strength.

[O I] and Na D, and the Q and P lines of hydroxyl that stand out: Osterbrock et al. 1996, PASP 108, 277 below
1.05 micron, Rousselot et al. 2000, A&A 354, 1134 above; to about an Angstrom. Strengths are rough, 1 for a
strong line of its region.
"""

from __future__ import annotations

import numpy as np

from mockforge.galaxies.cubes.instrument.lines import Medium, air

_LINES = {
    5577.3: 1.5, 5890.0: 0.3, 5895.9: 0.2, 6300.3: 1.0, 6363.8: 0.4, 6863.9: 0.2, 6923.2: 0.2,
    7276.4: 0.4, 7316.3: 0.5, 7340.9: 0.4, 7750.6: 0.5, 7794.1: 0.6, 7821.5: 0.5, 7853.2: 0.3,
    7913.7: 0.7, 7964.6: 0.8, 7993.3: 0.7, 8025.7: 0.4, 8344.6: 0.7, 8399.2: 0.9, 8430.2: 0.9,
    8465.4: 0.6, 8827.1: 0.9, 8885.8: 1.0, 8919.6: 0.9, 8958.1: 0.6, 9337.9: 0.6, 9375.9: 0.8,
    10834.0: 0.8, 11591.7: 0.7, 12122.0: 0.6, 12351.0: 0.4, 12905.0: 0.5,
    15240.9: 0.7, 15332.4: 0.8, 15432.2: 0.7, 15539.7: 0.6, 16030.8: 0.8, 16128.6: 0.7, 16194.6: 0.6,
    16235.4: 0.7, 16317.2: 0.6, 16692.4: 0.8, 16840.5: 0.7, 16903.7: 0.7, 17008.8: 0.6, 17123.7: 0.4,
    17331.0: 0.6, 17450.0: 0.5, 17505.8: 0.4, 20008.2: 0.6, 20193.2: 0.5, 20275.8: 0.8, 20339.5: 0.7,
    20412.7: 0.7, 20563.6: 0.6, 20729.0: 0.5, 20860.3: 0.3, 21176.6: 0.4, 21249.6: 0.4, 21507.3: 0.5,
    21580.5: 0.3, 21802.2: 0.5, 21955.6: 0.5, 22052.3: 0.4, 22312.7: 0.3, 22690.8: 0.2,
}  # fmt: skip
"""Wavelength -> strength: in air below 1.05 micron, in vacuum above."""
_IN_AIR_BELOW = 10_500.0


def sky_variance(wavelength: np.ndarray, sigma: np.ndarray, strong: float, medium: Medium) -> np.ndarray:
    """Return the variance of the sky's noise over that between lines, at wavelengths (...) in Angstrom.

    Each line has the line-spread function's width, `sigma` (...) Angstrom, and a strong one `strong` times
    the variance in its middle.
    """
    out = np.ones_like(wavelength)
    for at, strength in _LINES.items():
        shifted = at
        if medium == "vacuum" and at < _IN_AIR_BELOW:
            shifted = at * at / float(air(at))
        elif medium == "air" and at > _IN_AIR_BELOW:
            shifted = float(air(at))
        out = out + strong * strength * np.exp(-0.5 * ((wavelength - shifted) / sigma) ** 2)
    return out
