"""Colours of an elliptical and a spiral against redshift, with the 4000 Angstrom break in the bands.

Run: python tests/benchmarks/colours.py colours.png

Shaded: the redshifts at which the break lies within a band, blue and red. The colour of the elliptical
reddens while the break crosses the blue band, and turns where it enters the red one.
"""

from __future__ import annotations

import sys

import numpy as np

from mockforge.photometry.bands import curve
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.sfh import Burst, Delayed, Sfh
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates

PAIRS = (("F435W", "F606W"), ("F606W", "F814W"), ("F814W", "F125W"), ("F125W", "F160W"))
BREAK = 4000.0
OLD = Spectra(populations=Populations(sfh=(Sfh(burst=Burst(time_gyr=1.0)),), metallicity=(1.0,), a_v=(0.0,)))
SPIRAL = Spectra(
    populations=Populations(sfh=(Sfh(delayed=Delayed(tau_gyr=5.0)),), metallicity=(1.0,), a_v=(0.5,))
)
TEMPLATES = Spectra(templates=Templates(names=("E", "Sbc"), steps=1))
CASES = (
    ("elliptical: burst, passive", OLD, 0, None, "C3-"),
    ("elliptical: burst, as it is at z = 0.25", OLD, 0, 0.25, "C3--"),
    ("elliptical: template E", TEMPLATES, 0, None, "C1:"),
    ("spiral: delayed, tau 5 Gyr, A_V 0.5", SPIRAL, 0, None, "C0-"),
    ("spiral: template Sbc", TEMPLATES, 1, None, "C0:"),
)


def colours(
    spectra: Spectra, spectrum: int, pair: tuple[str, str], z: np.ndarray, z_population: float | None
) -> np.ndarray:
    """AB colour (Z,) of one spectrum; `z_population` holds its stars at one age."""
    stars = z if z_population is None else np.full(len(z), z_population)
    flux = sed_fluxes(spectra, pair, stars, z, np.full(len(z), spectrum))
    return -2.5 * np.log10(flux[:, 0] / flux[:, 1])


def edges(band: str) -> tuple[float, float]:
    """Wavelengths between which the throughput is above half its peak, Angstrom."""
    wave, throughput = curve(band)
    seen = wave[throughput > 0.5 * throughput.max()]
    return float(seen[0]), float(seen[-1])


def figure(path: str, low: float = 0.02, high: float = 2.6) -> None:
    """Save the figure: a panel a colour."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    z = np.linspace(low, high, 130)
    made, panels = plt.subplots(2, 2, figsize=(12, 8), sharex=True, layout="constrained")
    lines, labels = [], []
    for panel, pair in zip(panels.flat, PAIRS, strict=True):
        for label, spectra, spectrum, population, style in CASES:
            panel.plot(z, colours(spectra, spectrum, pair, z, population), style, label=label)
        for band, colour in zip(pair, ("tab:cyan", "tab:pink"), strict=True):
            first, last = (edge / BREAK - 1.0 for edge in edges(band))
            panel.axvspan(max(first, low), last, color=colour, alpha=0.15, label=f"4000 A break in {band}")
        panel.set(ylabel=f"{pair[0]} - {pair[1]} (AB)", xlim=(low, high))
        panel.grid(alpha=0.3)
        lines, labels = panel.get_legend_handles_labels()
        panel.legend(lines[-2:], labels[-2:], fontsize=7, loc="upper left")
    for panel in panels[-1]:
        panel.set_xlabel("redshift")
    made.legend(lines[:-2], labels[:-2], fontsize=8, loc="outside lower center", ncols=3)
    made.suptitle("Colours against redshift; shaded where the 4000 A break lies in a band")
    made.savefig(path, dpi=110)


if __name__ == "__main__":
    figure(sys.argv[1] if len(sys.argv) > 1 else "colours.png")
    print(spectrum_set(OLD).names + spectrum_set(SPIRAL).names)
