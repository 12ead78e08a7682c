"""What the run's page shows of the noise: real source-free sky beside noise that is made like it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.field.robust import sigma_mad
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.learn.curves import COLOURS, Curve, curves
from mockforge.sgan.learn.noise.kernels import LAGS, MeasuredNoise, correlations

RINGS = 16
"""Rings of frequency between 0 and 1/2 cycles per pixel; the innermost holds the background's mesh."""
_NEAR = 8
"""Pixels; lags to which autocorrelations are compared."""
_SHOWN = ("0 1", "1 0", "1 1", "0 2", "0 4")
"""Lags (y x) of the table."""
_BINS = np.linspace(-5.0, 5.0, 81)
_QUANTILES = (0.0005, 0.005, 0.995)


class NoiseCompared:
    """Real source-free sky and made noise under the same mask, measured alike."""

    def __init__(
        self,
        real: tuple[np.ndarray, np.ndarray],
        made: tuple[np.ndarray, np.ndarray] | None,
        measured: MeasuredNoise,
        stream: Stream,
    ) -> None:
        """Measure both skies, each (C, y, x) nJy with its source-free pixels (y, x).

        `real` is what `measure_noise` had; `made` a painted sky observed with that noise, treated as the
        field; None for noise alone, at the field's own places and under its mask.
        """
        self.measured = measured
        mesh = measured.noise.mesh
        if made is None:
            height, width = real[1].shape
            first = -(mesh // 2)
            drawn = NoiseSky(measured.noise, stream, place=(0, 0))
            made = drawn.window(first, first + height, first, first + width), real[1]
        self.real, self.made = (_Sky(*sky, mesh) for sky in (real, made))

    def facts(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return tables: rms and tails, autocorrelation, power."""
        noise, real, made = self.measured.noise, self.real, self.made
        rows, lags = [], []
        for i, name in enumerate(names):
            apart = np.abs(np.log(made.rings[i, 1:] / np.maximum(real.rings[i, 1:], 1e-30))).max()
            row = {
                "band": name,
                "rms, nJy": float(noise.rms_njy[i]),
                "rms by place, least": float(noise.rms_mesh[..., i].min()),
                "rms by place, most": float(noise.rms_mesh[..., i].max()),
                "rms, made / real": float(made.rms[i] / real.rms[i]),
                "light taken off, % of the variance": float(
                    100 * self.measured.painted[i, LAGS, LAGS] / real.rms[i] ** 2
                ),
                "scatter of local rms": float(noise.tail[i]),
                "electrons per nJy": float(noise.electrons_per_njy[i]),
                "autocorrelation, largest difference": float(np.abs(made.near[i] - real.near[i]).max()),
                "radial power, largest |ln ratio|": float(apart),
                "histogram, total variation": 0.5 * float(np.abs(made.share[i] - real.share[i]).sum()),
            }
            for q in _QUANTILES:
                row[f"quantile {q:g}, real / made, rms"] = (
                    f"{np.quantile(real.values[i], q):.2f} / {np.quantile(made.values[i], q):.2f}"
                )
            rows.append(row)
            for lag in _SHOWN:
                y, x = (int(v) + _NEAR for v in lag.split())
                lags.append(
                    {
                        "band, lag y x": f"{name}, {lag}",
                        "real": real.near[i, y, x],
                        "made": made.near[i, y, x],
                    }
                )
        return {"noise": rows, "autocorrelation": lags}

    def picture(self) -> np.ndarray:
        """Return three panels a band: power by frequency, autocorrelation along x, histogram; uint8.

        Black real, orange made. Power in rings from 0 to 1/2 cycles per pixel over its mean, grey lines each
        half; autocorrelation to 8 pixels from -0.1 to 0.6, lines each tenth; log10 of the share of pixels per
        bin against flux in rms, lines each decade and rms.
        """
        bands = []
        ring = (np.arange(RINGS) + 0.5) / (2 * RINGS)
        lag = np.arange(_NEAR + 1.0)
        middle = 0.5 * (_BINS[1:] + _BINS[:-1])
        for i in range(len(self.real.rms)):
            pair = tuple(zip((self.real, self.made), COLOURS[:2], strict=True))
            top = max(2.0, float(self.real.rings[i].max()) * 1.05)
            power = [Curve(ring, s.rings[i], c) for s, c in pair]
            near = [Curve(lag[1:], s.near[i, _NEAR, _NEAR + 1 :], c) for s, c in pair]
            share = [Curve(middle, np.log10(np.maximum(s.share[i], 1e-9)), c) for s, c in pair]
            panels = (
                curves(power, (0.0, 0.5), (0.0, top), (200, 300), (0.1, 0.5)),
                curves(near, (0.0, float(_NEAR)), (-0.1, 0.6), (200, 300), (1.0, 0.1)),
                curves(share, (-5.0, 5.0), (-6.0, -0.8), (200, 300), (1.0, 1.0)),
            )
            bands.append(np.concatenate(panels, axis=1))
        return np.concatenate(bands, axis=0)


class _Sky:
    """One sky, measured."""

    def __init__(self, sky: np.ndarray, free: np.ndarray, mesh: int) -> None:
        found = correlations(sky, free, mesh)
        covariance = found.products.sum(axis=(0, 1)) / np.maximum(found.pairs.sum(axis=(0, 1)), 1.0)
        self.rings = _rings(covariance)
        near = slice(LAGS - _NEAR, LAGS + _NEAR + 1)
        self.near = covariance[:, near, near] / covariance[:, LAGS, LAGS][:, None, None]
        self.rms = np.sqrt(np.nanmean(found.rms**2, axis=(0, 1)))
        values = sky[:, free]
        values = values - np.median(values, axis=1, keepdims=True)
        self.values = values / sigma_mad(values, axis=1)[:, None]
        self.share = np.stack([np.histogram(v, _BINS)[0] / v.size for v in self.values])


def _rings(covariance: np.ndarray) -> np.ndarray:
    """Mean power in rings over the variance, (C, RINGS), of covariances at lags to `LAGS`."""
    side = 64
    y, x = np.mgrid[-LAGS : LAGS + 1, -LAGS : LAGS + 1]
    taper = np.clip(1.0 - (np.hypot(y, x) / (LAGS + 1)) ** 4, 0.0, None)
    padded = np.zeros((len(covariance), side, side))
    padded[:, : 2 * LAGS + 1, : 2 * LAGS + 1] = covariance * taper
    power = np.fft.fft2(np.roll(padded, (-LAGS, -LAGS), (1, 2))).real
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    ring = np.minimum((f * 2 * RINGS).astype(int), RINGS).ravel()
    count = np.bincount(ring, minlength=RINGS + 1)[:RINGS]
    rings = np.stack([np.bincount(ring, p.ravel(), RINGS + 1)[:RINGS] / count for p in power])
    return rings / power.mean(axis=(1, 2))[:, None]
