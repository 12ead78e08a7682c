"""The pictures of a sky's evaluation, as PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.report.plots import picture, plots, png
from mockforge.evaluate.sky.classifier import Scores
from mockforge.evaluate.sky.floor import Pick, Splits
from mockforge.evaluate.sky.memory import SIZE, Nearest
from mockforge.evaluate.sky.noise import BINS, LAGS, RINGS, NoiseOfBlocks
from mockforge.evaluate.sky.sample import PERIOD, Sample, cut_stamp
from mockforge.evaluate.sky.spatial import SEPARATIONS, error, phase
from mockforge.field.picture import asinh_rgb, mosaic, outline

REAL, MADE = "#222222", "#c1440e"
"""Colours of the two samples in every plot."""


def side_by_side(real: Sample, made: Sample, size: int, enlarged: int, detections: bool = False) -> bytes:
    """Real left, generated right, in one stretch; `size` pixels of each.

    At the block with most detections where these are outlined, else at the least masked one.
    """
    pair = []
    for sample in (real, made):
        blocks = np.flatnonzero(sample.reference)
        rank = [len(sample.rows[b]) for b in blocks] if detections else sample.clear[blocks]
        part, y, x = sample.blocks[blocks[np.argmax(rank)]]
        height, width = sample.images[part].shape[1:]
        y, x = max(0, min(int(y), height - size)), max(0, min(int(x), width - size))
        rgb = asinh_rgb(cut_stamp(sample.images[part], y, x, size), real.rms, bands=real.bands)
        labels = cut_stamp(sample.labels[part], y, x, size)
        rgb, labels = (a.repeat(enlarged, axis=0).repeat(enlarged, axis=1) for a in (rgb, labels))
        pair.append(outline(rgb, labels) if detections else rgb)
    return picture(mosaic(pair, 2, gap=8))


def source_grid(real: Sample, made: Sample, each: int, rng: np.random.Generator) -> tuple[bytes, str]:
    """`each` real and generated sources shuffled in one grey scale, and the key: one letter per source."""
    size, pictures, key = 41, [], []
    for sample, letter in ((real, "R"), (made, "G")):
        use = (
            sample.reference[sample.table["block"]] & (sample.table["snr"] > 15) & _inside(sample, size // 2)
        )
        for row in rng.permutation(np.flatnonzero(use))[:each]:
            pictures.append(_grey(sample.stamp(int(row), size).mean(axis=0), float(np.mean(real.rms))))
            key.append(letter)
    if not pictures:
        return b"", ""
    order = rng.permutation(len(pictures))
    rows = ["".join(key[i] for i in order[k : k + 10]) for k in range(0, len(order), 10)]
    return picture(mosaic([pictures[i] for i in order], 10, gap=2)), " / ".join(rows)


def brightest(real: Sample, made: Sample, n: int = 20, across: int = 10) -> bytes:
    """Return the `n` brightest sources of the reference above as many generated ones; empty with too few."""
    size, shown = 49, []
    for sample in (real, made):
        use = np.flatnonzero(sample.reference[sample.table["block"]] & _inside(sample, size // 2))
        rows = use[np.argsort(-sample.table["snr"][use])][:n]
        if len(rows) < n:
            return b""
        stamps = [sample.stamp(int(row), size) for row in rows]
        shown += [_large(asinh_rgb(stamp, real.rms, bands=real.bands), 2) for stamp in stamps]
    return picture(mosaic(shown, across, gap=2))


def magnitude_histograms(real: Sample, made: Sample, limits: Mapping[str, float]) -> bytes:
    """Objects per magnitude and Mpix, with Poisson errors; the completeness limit is marked."""
    figure, axes = plots(len(real.bands))
    for axis, band in zip(axes, real.bands, strict=True):
        name = f"mag_{band}"
        real_mags = real.table[name][real.reference[real.table["block"]]]
        magnitudes = np.concatenate([real_mags, made.table[name]])
        magnitudes = magnitudes[np.isfinite(magnitudes)]
        edges = (
            np.arange(magnitudes.min(), magnitudes.max() + 1.0, 0.5)
            if len(magnitudes)
            else np.array([0.0, 1.0])
        )
        for values, area, colour, label in (
            (real_mags, real.clear[real.reference].sum(), REAL, "real"),
            (made.table[name], made.clear.sum(), MADE, "generated"),
        ):
            counts = np.histogram(values, edges)[0]
            scale = 1e6 / area / (edges[1] - edges[0])
            middle = (edges[:-1] + edges[1:]) / 2
            axis.errorbar(
                middle, counts * scale, np.sqrt(counts) * scale, color=colour, label=label, ds="steps-mid"
            )
        axis.axvline(min(limits[band], edges[-1]), color="#888888", ls=":")
        axis.set(xlabel=f"{band} (mag)", ylabel="objects / mag / Mpix")
    axes[0].legend(frameon=False)
    return png(figure)


def distributions(values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Histograms of real and generated values, one plot a name."""
    figure, axes = plots(len(values))
    for axis, (name, (of_real, of_generated)) in zip(axes, values.items(), strict=True):
        both = np.concatenate([of_real, of_generated])
        both = both[np.isfinite(both)]
        low, high = np.percentile(both, [1, 99]) if len(both) else (0.0, 1.0)
        edges = np.linspace(low, max(high, low + 1e-6), 25)
        for v, colour, label in ((of_real, REAL, "real"), (of_generated, MADE, "generated")):
            if len(v):
                axis.hist(v, edges, density=True, histtype="step", color=colour, label=label)
        axis.set(xlabel=name)
    axes[0].legend(frameon=False)
    return png(figure)


def noise_plots(noise: NoiseOfBlocks, splits: Splits) -> bytes:
    """Per band: pixel histogram, autocorrelation along x and y, ratio of the radial power."""
    real, generated = splits.generated[0]
    bands = real.sample.bands
    figure, axes = plots(3 * len(bands))
    middle = np.sinh((BINS[:-1] + BINS[1:]) / 2)
    for i, band in enumerate(bands):
        histogram, lags, power = axes[3 * i : 3 * i + 3]
        for pick, colour, label in ((real, REAL, "real"), (generated, MADE, "generated")):
            histogram.step(middle, noise.histogram(pick, i), where="mid", color=colour, label=label)
            correlation = noise.autocorrelation(pick, i)
            lags.plot(np.arange(1, LAGS + 1), correlation[0, LAGS + 1 :], color=colour, label=f"{label}, x")
            lags.plot(
                np.arange(1, LAGS + 1), correlation[1:, LAGS], color=colour, ls="--", label=f"{label}, y"
            )
        histogram.set(
            xscale="symlog", yscale="log", xlabel=f"{band}: flux / real rms", ylabel="share of pixels"
        )
        lags.set(xlabel="lag (pixels)", ylabel="autocorrelation")
        _power_ratio(power, noise, splits, i)
    axes[0].legend(frameon=False)
    axes[1].legend(frameon=False, fontsize=8)
    return png(figure)


def spectra(noise: NoiseOfBlocks, splits: Splits) -> bytes:
    """Return the logarithm of the two-dimensional noise power of both samples: a lattice shows as dots."""
    real, generated = splits.generated[0]
    bands = real.sample.bands
    figure, axes = plots(2 * len(bands), 3.6, 3.4, columns=2)
    for i, band in enumerate(bands):
        for axis, pick, label in zip(
            axes[2 * i : 2 * i + 2], (real, generated), ("real", "generated"), strict=True
        ):
            shown = np.log10(np.maximum(np.fft.fftshift(noise.spectrum(pick, i), axes=0), 1e-3))
            axis.imshow(
                shown,
                origin="lower",
                extent=(0, 0.5, -0.5, 0.5),
                aspect="auto",
                vmin=-1,
                vmax=0.7,
                cmap="gray",
            )
            axis.set(title=f"{band}, {label}", xlabel="cycles per pixel, x", ylabel="y")
    return png(figure)


def position_plots(splits: Splits, curves: Mapping[str, np.ndarray]) -> bytes:
    """Two-point correlation, and objects per pixel modulo 16 along x and y."""
    figure, axes = plots(3)
    middle = np.sqrt(SEPARATIONS[:-1] * SEPARATIONS[1:])
    for (name, curve), colour in zip(curves.items(), (REAL, MADE), strict=True):
        axes[0].errorbar(middle, curve[0], error(curve), color=colour, label=name, marker="o")
    axes[0].set(xscale="log", xlabel="separation (pixels)", ylabel="w")
    axes[0].legend(frameon=False)
    for axis, name in zip(axes[1:], "xy", strict=True):
        for pick, colour in zip(splits.generated[0], (REAL, MADE), strict=True):
            at = phase(pick, name) % PERIOD
            axis.hist(
                at,
                np.arange(PERIOD + 1),
                histtype="step",
                color=colour,
                weights=np.full(len(at), PERIOD / max(len(at), 1)),
            )
        axis.axhline(1.0, color="#888888", ls=":")
        axis.set(xlabel=f"{name} modulo {PERIOD}", ylabel="objects over mean")
    return png(figure)


def closest_pairs(real: Sample, made: Sample, found: Nearest, n: int = 8) -> bytes:
    """Return the generated objects nearest to the training field, each above its nearest training object."""
    order = np.argsort(found.distance)[:n]
    top = [_rgb(made, int(found.rows[i]), real.rms) for i in order]
    low = [_rgb(real, int(found.match[i]), real.rms) for i in order]
    return picture(mosaic(top + low, len(order)))


def telling_cutouts(scores: Scores, real: Sample, n: int = 6) -> bytes:
    """Above, the generated cutouts the classifier is surest of; below, those it takes for real."""
    generated = np.flatnonzero(scores.generated)
    order = generated[np.argsort(-scores.score[generated])]
    chosen = [*order[:n], *order[-n:]]
    flux = [np.sinh(scores.cutouts[i]) * real.rms[:, None, None] for i in chosen]
    shown = [asinh_rgb(image, real.rms, bands=real.bands) for image in flux]
    return picture(mosaic([_large(rgb, 2) for rgb in shown], n))


def _power_ratio(axis, noise: NoiseOfBlocks, splits: Splits, band: int) -> None:
    def ratio(a: Pick, b: Pick) -> np.ndarray:
        return noise.rings(b, band) / np.maximum(noise.rings(a, band), 1e-30)

    floor = np.array([ratio(a, b) for a, b in splits.floor])
    value = ratio(*splits.generated[0])
    f = (np.arange(RINGS) + 0.5) / (2 * RINGS)
    axis.fill_between(f, *np.percentile(floor, [5, 95], axis=0), color="#cccccc", label="real / real, 90%")
    axis.plot(f, value, color=MADE, label="generated / real")
    axis.set(xlabel="cycles per pixel", ylabel="power ratio")
    axis.legend(frameon=False, fontsize=8)


def _grey(stamp: np.ndarray, rms: float) -> np.ndarray:
    shown = np.arcsinh(np.clip(stamp / rms + 1.0, 0, None)) / np.arcsinh(120.0)
    return _large(np.repeat((255 * np.clip(shown, 0, 1)).astype(np.uint8)[::-1, :, None], 3, axis=2), 2)


def _rgb(sample: Sample, row: int, rms: np.ndarray) -> np.ndarray:
    return _large(asinh_rgb(sample.stamp(row, SIZE), rms, bands=sample.bands), 4)


def _inside(sample: Sample, border: int) -> np.ndarray:
    """Which objects are farther than `border` pixels from the edges of their image."""
    shapes = np.array([image.shape[1:] for image in sample.images])[sample.table["part"]]
    at = np.stack([sample.table["y"], sample.table["x"]], axis=1)
    return np.all((at >= border) & (at < shapes - border), axis=1)


def _large(rgb: np.ndarray, times: int) -> np.ndarray:
    return rgb.repeat(times, axis=0).repeat(times, axis=1)
