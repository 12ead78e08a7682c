"""A scene with its truth, found by our detector and by source-extractor: time, figures, tables.

Run: python tests/benchmarks/show_scene.py --side 1600 --out out [--catalogues DIR]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

import mockforge
from mockforge.batch import Batch
from mockforge.label.completeness import detected_by, pure_by
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.match import Match
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "F814W"
EDGES = np.arange(21.0, 30.6, 0.5)


def recipe_stages(side: int) -> tuple[SceneTiles, Detect]:
    """The stages of `recipes/scene_xdf_like.yaml`, one tile of `side`."""
    from mockforge.recipe import load

    recipe = load("scene_xdf_like", [f"stages.scene.tile={side}", "stages.scene.margin=0"])
    stages = [s.stage if hasattr(s, "stage") else s for s in recipe.stages]
    scene = next(s for s in stages if isinstance(s, SceneTiles))
    return scene, next(s for s in stages if isinstance(s, Detect))


def made(scene: SceneTiles) -> Batch:
    return scene(samples(1), Stream(20190424))


def source_extractor(batch: Batch, rule: Detect, folder: Path) -> np.ndarray:
    """Its segmentation of the same detection image with equal settings."""
    rms = batch.arrays["sky_rms"][0].astype(np.float64)
    weight = rms**-2 / (rms**-2).sum()
    folder.mkdir(parents=True, exist_ok=True)
    image = np.einsum("c,cyx->yx", weight.astype(np.float32), batch.arrays["image"][0])
    fits.writeto(folder / "image.fits", image, overwrite=True)
    (folder / "default.param").write_text("NUMBER\nX_IMAGE\nY_IMAGE\nFLUX_AUTO\n")
    words = {
        "CATALOG_NAME": "found.cat", "PARAMETERS_NAME": "default.param", "DETECT_THRESH": rule.threshold,
        "ANALYSIS_THRESH": rule.threshold, "DETECT_MINAREA": rule.min_pixels, "FILTER": "N", "CLEAN": "N",
        "BACK_SIZE": rule.background_mesh, "BACK_FILTERSIZE": rule.background_filter,
        "DEBLEND_NTHRESH": rule.deblend_levels, "DEBLEND_MINCONT": rule.deblend_contrast,
        "CHECKIMAGE_TYPE": "SEGMENTATION", "CHECKIMAGE_NAME": "segments.fits", "MEMORY_PIXSTACK": 3000000,
        "VERBOSE_TYPE": "QUIET", "STARNNW_NAME": "/usr/share/source-extractor/default.nnw",
    }  # fmt: skip
    given = [str(w) for key, value in words.items() for w in (f"-{key}", value)]
    subprocess.run(["source-extractor", "-d"], stdout=(folder / "d.sex").open("w"), cwd=folder, check=True)
    subprocess.run(["source-extractor", "image.fits", "-c", "d.sex", *given], cwd=folder, check=True)
    return fits.getdata(folder / "segments.fits").astype(np.int32)


def as_catalogue(batch: Batch, segments: np.ndarray) -> Batch:
    """The batch with another program's labels, centred and measured on them."""
    n = int(segments.max())
    image = batch.arrays["image"][0]
    bands = batch.attributes["bands"]
    y, x = np.indices(segments.shape)
    total = np.bincount(segments.ravel(), weights=image.mean(0).ravel().clip(0), minlength=n + 1)[1:]
    place = {
        name: np.bincount(segments.ravel(), weights=(v * image.mean(0).clip(0)).ravel(), minlength=n + 1)[1:]
        / np.maximum(total, 1e-30)
        for name, v in (("x", x), ("y", y))
    }
    flux = {
        f"flux_iso_{b}": np.bincount(segments.ravel(), weights=image[i].ravel(), minlength=n + 1)[1:]
        for i, b in enumerate(bands)
    }
    table = {"sample": np.zeros(n, dtype=np.int64), "label": np.arange(1, n + 1), **place, **flux}
    return batch.with_arrays(instances=segments[None]).with_table("catalogue", table)


def show(ours: Batch, theirs: Batch | None, catalogues: Path | None, out: Path) -> None:
    """Figures and a table."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    objects, found = ours.tables["objects"], ours.tables["catalogue"]
    column = f"true_mag_{BAND}"
    middle = 0.5 * (EDGES[1:] + EDGES[:-1])
    alone = {k: v[objects["blendedness"] < 0.05] for k, v in objects.items()}
    mixed = {k: v[objects["blendedness"] >= 0.05] for k, v in objects.items()}
    sets = [("mockforge", ours)] + ([] if theirs is None else [("source-extractor", theirs)])
    fig, axes = plt.subplots(2, 4, figsize=(22, 10))
    for (name, batch), style in zip(sets, ("-", "--"), strict=False):
        o = batch.tables["objects"]
        apart = o["blendedness"] < 0.05
        for label, rows, colour in (("isolated", apart, "C0"), ("blended", ~apart, "C3")):
            c = detected_by({k: v[rows] for k, v in o.items()}, EDGES, column)
            good = c["count"] >= 5
            axes[0, 0].plot(middle[good], c["detected"][good], colour + style, label=f"{name}, {label}")
            print(name, label, "detected", np.round(c["detected"], 2), "n", c["count"])
        t = batch.tables["catalogue"]
        measured = 31.4 - 2.5 * np.log10(np.maximum(t[f"flux_iso_{BAND}"], 1e-6))
        pure = pure_by({**t, "m": measured}, EDGES, "m")
        good = pure["count"] >= 5
        axes[0, 1].plot(middle[good], pure["pure"][good], "k" + style, label=name)
        print(name, "purity", np.round(pure["pure"], 2), "n", pure["count"], "rows", len(t["label"]))
    axes[0, 0].set(xlabel=f"true {BAND} (AB)", ylabel="completeness", ylim=(0, 1.05))
    axes[0, 1].set(xlabel=f"isophotal {BAND} (AB)", ylabel="purity", ylim=(0, 1.05))
    area = (ours.arrays["image"].shape[-1] * ours.attributes["pixel_scale_arcsec"] / 60) ** 2
    use = objects["inside"] & ~objects["star"]
    counted = [
        ("true", objects[column][use], np.full(len(middle), area)),
        ("measured (Kron)", found[f"mag_{BAND}"], np.full(len(middle), area)),
    ]
    if catalogues is not None:  # the HDF-North's edges are less deep
        counted.append(("HDF-North", _hdfn(catalogues)[0], np.where(middle < 26, 5.31, 3.92)))
    for label, values, scale in counted:
        n = np.histogram(values, EDGES)[0] / scale / 0.5
        good = (n > 0) & ((middle < 27.5) | (label != "HDF-North"))
        axes[0, 2].errorbar(
            middle[good], n[good], np.sqrt(n / scale / 0.5)[good], fmt="o-", ms=3, label=label
        )
    axes[0, 2].set(xlabel=f"{BAND} (AB)", ylabel="galaxies / arcmin$^2$ / mag", yscale="log", ylim=(0.3, 500))
    real = (found["true_label"] > 0) & (found["true_share"] > 0.9) & ~found["true_star"]
    real &= (found["snr"] > 15) & ~found["truncated"]
    true_r = found["true_r_e_arcsec"] * np.sqrt(np.maximum(found["true_axis_ratio"], 0))
    axes[1, 0].plot(true_r[real], found["flux_radius"][real] * 0.06, ".", ms=3)
    line = np.geomspace(0.02, 2.0, 50)
    axes[1, 0].plot(line, line, "k-", line, np.hypot(line, 0.07), "k:")
    axes[1, 0].set(
        xscale="log",
        yscale="log",
        xlabel="true circularised r_e (arcsec)",
        ylabel="measured flux radius (arcsec)",
    )
    axes[1, 0].set_title("dotted: with the PSF's 0.07 arcsec in quadrature")
    change = found[f"mag_{BAND}"] - found[column]
    axes[1, 1].plot(found[column][real], change[real], ".", ms=3)
    m = found[column][real]
    for a, b in zip(EDGES[:-1:2], EDGES[2::2], strict=False):
        rows = (m >= a) & (m < b)
        if rows.sum() >= 8:
            axes[1, 1].errorbar((a + b) / 2, np.median(change[real][rows]), fmt="rs")
    axes[1, 1].axhline(0, color="k")
    axes[1, 1].set(xlabel=f"true {BAND} (AB)", ylabel="Kron - true (mag)", ylim=(-0.6, 1.0))
    colour = {"true": objects["true_mag_F606W"] - objects[column]}
    bright = use & (objects[column] > 24) & (objects[column] < 27)
    bins = np.arange(-0.5, 2.6, 0.15)
    mine = found["mag_F606W"] - found[f"mag_{BAND}"]
    faint = real & (found[f"mag_{BAND}"] > 24) & (found[f"mag_{BAND}"] < 27)
    for label, values in (
        ("true", colour["true"][bright]),
        ("measured", mine[faint]),
        *_colours_of(catalogues),
    ):
        axes[1, 2].hist(values, bins, density=True, histtype="step", label=f"{label} ({len(values)})")
        print("colour", label, np.round(np.percentile(values, [16, 50, 84]), 2), len(values))
    axes[1, 2].set(xlabel=f"F606W - {BAND}, 24 < {BAND} < 27", ylabel="density")
    against_cosmos(ours, catalogues, axes[0, 3], axes[1, 3])
    for axis in (axes[0, 0], axes[0, 1], axes[0, 2], axes[1, 2], axes[0, 3], axes[1, 3]):
        axis.legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(out / "scene_measured.png", dpi=80)
    print("isolated", len(alone["label"]), "blended", len(mixed["label"]))
    picture(ours, out / "scene_truth.png")


def against_cosmos(batch: Batch, catalogues: Path | None, counts: Axes, sizes: Axes) -> None:
    """Counts and median sizes in F160W: what went in, what was measured, and 3D-HST COSMOS."""
    objects, found = batch.tables["objects"], batch.tables["catalogue"]
    area = (batch.arrays["image"].shape[-1] * batch.attributes["pixel_scale_arcsec"] / 60) ** 2
    edges = np.arange(19.0, 28.1, 0.5)
    middle = 0.5 * (edges[1:] + edges[:-1])
    use = objects["inside"] & ~objects["star"]
    seen = (found["true_label"] > 0) & (found["true_share"] > 0.9) & ~found["true_star"]
    # the PSF's half-light radius off, and from a circle to the semi-major axis
    radius = np.sqrt(np.maximum((found["flux_radius"] * 0.06) ** 2 - 0.07**2, 1e-4))
    radius = radius / np.sqrt(np.maximum(found["true_axis_ratio"], 0.05))
    rows = [
        ("true", objects["magnitude"][use], objects["r_e_arcsec"][use], area),
        ("measured", found["true_magnitude"][seen], radius[seen], None),
    ]
    if catalogues is not None:
        fit = np.loadtxt(catalogues / "cosmos_3dhst.v4.1_f160w.galfit")
        whole = fit[(fit[:, 3] <= 2) & (fit[:, 6] >= 0.035)]
        good = fit[(fit[:, 3] == 0) & (fit[:, 7] < 0.3 * fit[:, 6]) & (fit[:, 6] > 0.035)]
        rows.append(("COSMOS, all", whole[:, 4], None, 222.0))
        rows.append(("COSMOS, good fits", good[:, 4], good[:, 6], None))
    for label, magnitude, size, field in rows:
        number = np.histogram(magnitude, edges)[0]
        if field is not None:
            n = number / field / 0.5
            counts.errorbar(middle, n, np.sqrt(number) / field / 0.5, fmt="o-", ms=3, label=label)
        if size is not None:
            place = np.digitize(magnitude, edges) - 1
            some = [k for k in range(len(middle)) if (place == k).sum() >= 10]
            quartiles = np.array([np.percentile(size[place == k], [25, 50, 75]) for k in some])
            sizes.errorbar(
                middle[some], quartiles[:, 1], np.abs(quartiles[:, [0, 2]] - quartiles[:, 1:2]).T, fmt="o-",
                ms=3, capsize=2, label=label,
            )  # fmt: skip
            print(
                "median r_e", label, dict(zip(middle[some].tolist(), quartiles[:, 1].round(3), strict=True))
            )
    counts.set(xlabel="F160W (AB)", ylabel="galaxies / arcmin$^2$ / mag", yscale="log")
    sizes.set(xlabel="true F160W (AB)", ylabel="r_e, arcsec (quartiles)", yscale="log")


def blends(path: Path) -> None:
    """Samples of `recipes/deblend.yaml`: observed, noiseless, each galaxy alone, the visible masks."""
    import matplotlib.pyplot as plt

    from mockforge.recipe import load

    stage = next(s for s in (getattr(s, "stage", s) for s in load("deblend", []).stages))
    batch = stage(samples(8), Stream(20190424))
    fig, axes = plt.subplots(8, 7, figsize=(14, 16))
    for i, line in enumerate(axes):
        panels = [batch.arrays["image"][i], batch.arrays["truth"][i], *batch.arrays["isolated"][i, :4]]
        for axis, panel in zip(line, panels, strict=False):
            rgb = np.arcsinh(np.clip(panel[::-1].transpose(1, 2, 0), 0, None) / 1.0) / np.arcsinh(60.0)
            axis.imshow(np.clip(rgb, 0, 1), origin="lower", interpolation="nearest")
        line[6].imshow(batch.arrays["instances_visible"][i], origin="lower", cmap="tab10", vmax=9)
        o = batch.tables["objects"]
        mine = o["sample"] == i
        line[6].set_title("blendedness " + " ".join(f"{b:.2f}" for b in o["blendedness"][mine]), fontsize=7)
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
    for axis, name in zip(axes[0], ("image", "truth", "1", "2", "3", "4"), strict=False):
        axis.set_title(name)
    fig.tight_layout()
    fig.savefig(path, dpi=60)


def picture(batch: Batch, path: Path) -> None:
    """A corner of the field: observed, noiseless, visible masks, multiplicity, first share."""
    import matplotlib.pyplot as plt

    cut = np.s_[: min(600, batch.arrays["image"].shape[-1])]
    fig, axes = plt.subplots(2, 3, figsize=(18, 12))
    for axis, name in zip(axes[0, :2], ("image", "truth"), strict=True):
        rgb = batch.arrays[name][0][::-1, cut, cut].transpose(1, 2, 0)
        stretched = np.arcsinh(np.clip(rgb, 0, None) / 0.3) / np.arcsinh(20 / 0.3)
        axis.imshow(np.clip(stretched, 0, 1), origin="lower", interpolation="nearest")
        axis.set_title(name)
    number = batch.arrays["instances_visible"][0][cut, cut]
    palette = np.random.default_rng(1).uniform(0.25, 1, (number.max() + 2, 3))
    palette[0] = 0
    axes[0, 2].imshow(palette[number], origin="lower", interpolation="nearest")
    axes[0, 2].set_title("instances_visible")
    seen = batch.arrays["instances"][0][cut, cut]
    more = np.random.default_rng(2).uniform(0.25, 1, (seen.max() + 2, 3))
    more[0] = 0
    axes[1, 0].imshow(more[seen], origin="lower", interpolation="nearest")
    axes[1, 0].set_title("instances (detected)")
    for axis, (name, values) in zip(
        axes[1, 1:],
        (
            ("multiplicity", batch.arrays["multiplicity"][0][cut, cut]),
            ("share of the brightest", batch.arrays["overlap_fraction"][0][0][cut, cut]),
        ),
        strict=True,
    ):
        shown = axis.imshow(values, origin="lower", interpolation="nearest", cmap="magma")
        axis.set_title(name)
        fig.colorbar(shown, ax=axis, shrink=0.7)
    fig.tight_layout()
    fig.savefig(path, dpi=60)


def _hdfn(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """F814W and F606W - F814W of the HDF-North's galaxies."""
    table = np.genfromtxt(folder / "hdfn_fs99_eazy.cat")
    flux = np.maximum(table[:, [5, 7]], 1e-6) * 1e3
    mag = 31.4 - 2.5 * np.log10(flux)
    return mag[:, 1], mag[:, 0] - mag[:, 1]


def _colours_of(folder: Path | None) -> list[tuple[str, np.ndarray]]:
    if folder is None:
        return []
    i, colour = _hdfn(folder)
    return [("HDF-North", colour[(i > 24) & (i < 27)])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1600)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--catalogues", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    scene, rule = recipe_stages(args.side)
    start = time.perf_counter()
    batch = made(scene)
    print(
        f"mockforge {mockforge.__version__}: {args.side}^2 x 3 in {time.perf_counter() - start:.1f} s",
        flush=True,
    )
    share = batch.arrays["overlap_fraction"].sum(axis=1)
    print(
        "shares from",
        share[share > 0].min(),
        "to",
        share.max(),
        "objects",
        len(batch.tables["objects"]["label"]),
    )
    match = Match()
    start = time.perf_counter()
    ours = match(replace(rule)(batch, Stream(0)), Stream(0))
    print(f"detect and match in {time.perf_counter() - start:.1f} s", flush=True)
    theirs = None
    if shutil.which("source-extractor"):
        segments = source_extractor(batch, rule, args.out / "source_extractor")
        theirs = match(as_catalogue(batch, segments), Stream(0))
    show(ours, theirs, args.catalogues, args.out)
    blends(args.out / "blends.png")


if __name__ == "__main__":
    main()
