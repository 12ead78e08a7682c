"""A parametric field of 1024 x 1024 pixels in 3 bands, noiseless: ours, GalSim's, UFig's photons.

All paint the objects of the same windows. GalSim draws one object in `SHARE`, each on the stamp that ours
has, and its time is multiplied; UFig shoots photons in one band, of the disks and bulges (knots with their
disk), and its time is that of three bands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.measure import Measured, least, main, once

SIDE, SHARE = 1024, 16
FWHM, BETA, SCALE = (0.057, 0.071, 0.072), 1.61, 0.06


def scene(seed: int, **changes: Any) -> Any:
    """A scene without noise, of the default model."""
    from mockforge.scene.model import SceneModel
    from mockforge.scene.scene import Scene

    return Scene(SceneModel(**changes), seed)


def ours() -> Measured:
    """A window of a new sky each round; the PSF's transfer is there already."""
    import torch

    torch.set_num_threads(1)
    scene(100).pixels(0, SIDE, 0, SIDE)
    runs = []
    for seed in (1, 2, 3):
        sky = scene(seed)
        objects = len(sky.drawn(0, SIDE, 0, SIDE).x)
        runs.append(
            once(lambda sky=sky: sky.sky.image(0, SIDE, 0, SIDE), SIDE**2 / 1e6, f"{objects} objects")
        )
    return min(runs, key=lambda m: m.cpu_s)


def galsim_() -> Measured:
    """The same objects by GalSim: Sersics, Gaussian knots and stars through Moffats, one at a time."""
    import galsim

    objects = scene(1).drawn(0, SIDE, 0, SIDE)
    psfs = [galsim.Moffat(beta=BETA, fwhm=f) for f in FWHM]
    chosen = range(0, len(objects), SHARE)

    def work() -> None:
        for i in chosen:
            for band, psf in enumerate(psfs):
                seen = galsim.Convolve(_galaxy(galsim, objects, i, band), psf)
                side = int(objects.side[i])
                seen.drawImage(nx=side, ny=side, scale=SCALE)

    share = len(objects) / len(chosen)
    m = least(work, 1.0, 1)
    note = f"{len(chosen)} of {len(objects)} objects"
    return Measured(m.cpu_s * share, m.clock_s * share, SIDE**2 / 1e6, m.peak_mb, note)


def _galaxy(galsim: Any, objects: Any, i: int, band: int) -> Any:
    """Disk, bulge and knots of one object in one band."""
    turn = galsim.Shear(
        q=float(objects.axis_ratio[i]) if not objects.star[i] else 1.0,
        beta=float(objects.position_angle[i]) * galsim.degrees,
    )
    parts = []
    for k in range(2):
        if objects.sed[i, band, k] > 0 and objects.size[i, k] > 0:
            q = float(objects.axis_ratio[i])
            round_ = galsim.Sersic(
                n=float(objects.index[i, k]), half_light_radius=float(objects.size[i, k]) * q**0.5
            )
            parts.append(round_.shear(turn).withFlux(float(objects.sed[i, band, k])))
    if objects.sed[i, band, 2] > 0:
        for x, y, sigma, weight in objects.knots[i]:
            if weight > 0:
                flux = float(weight * objects.sed[i, band, 2])
                parts.append(galsim.Gaussian(sigma=max(float(sigma), 1e-4), flux=flux).shift(x, y))
    return galsim.Add(parts)


def ufig(photons: float) -> Callable[[], Measured]:
    """The same disks and bulges by UFig, with some photons a band in all."""

    def case() -> Measured:
        from ufig import rendering_util as util
        from ufig.plugins.gamma_interpolation_table import load_intrinsicTable
        from ufig.plugins.render_galaxies_flexion import integrate_image

        g = _bodies(scene(1).drawn(0, SIDE, 0, SIDE))
        count = len(g["x"])
        rng = np.random.default_rng(1)
        shot = rng.poisson(photons * g["flux"] / g["flux"].sum()).astype(np.int64)[:, None]
        none, size = np.zeros(count), np.full(count, FWHM[1] / SCALE)
        beta = np.full((count, 1), BETA)
        matrices = util.compute_ellip_matrices(g["r50"], g["e1"], g["e2"])
        psf = util.compute_ellip_matrices(size, none, none)
        bends = util.compute_flexion_tensors(size, none, none, none, none)
        kurtoses = util.compute_kurtoses(size, none, beta)
        table = load_intrinsicTable(9, 13, 4)
        image = np.zeros((SIDE, SIDE))
        nothing = np.zeros((count, 1))

        def work() -> None:
            integrate_image(
                util.rng_buffer(), 13, 4, 9, table, image, g["x"], g["y"], shot, g["n"], matrices, beta, psf,
                bends, kurtoses, nothing, nothing, -5.0, False,
            )  # fmt: skip

        m = least(work, 1.0, 2)
        return Measured(3 * m.cpu_s, 3 * m.clock_s, SIDE**2 / 1e6, m.peak_mb, f"{photons:.1g} photons a band")

    return case


def _bodies(objects: Any) -> dict[str, np.ndarray]:
    """Disks and bulges of a scene as UFig wants them, pixels; what lies outside of the window is left out."""
    i, k = np.nonzero((objects.sed[:, 1, :2] > 0) & (objects.size > 0))
    inside = (abs(objects.x[i] - SIDE / 2) < SIDE / 2 - 1) & (abs(objects.y[i] - SIDE / 2) < SIDE / 2 - 1)
    i, k = i[inside], k[inside]
    q, angle = objects.axis_ratio[i], np.radians(objects.position_angle[i])
    e = (1 - q**2) / (1 + q**2)
    flux = objects.sed[i, 1, k] + np.where(k == 0, objects.sed[i, 1, 2], 0)
    return {
        "x": objects.x[i], "y": objects.y[i], "n": objects.index[i, k], "flux": flux,
        "r50": objects.size[i, k] / SCALE * q**0.5, "e1": e * np.cos(2 * angle), "e2": e * np.sin(2 * angle),
    }  # fmt: skip


def tile() -> Measured:
    """A tile of 256 pixels, as the live viewer asks for one, of a new place each time."""
    import torch

    torch.set_num_threads(1)
    sky = scene(1)
    sky.pixels(0, 256, 0, 256)
    places = iter(range(4096, 10**6, 4096))
    return least(lambda: sky.pixels(y := next(places), y + 256, 0, 256), 256**2 / 1e6, 6)


CASES = {
    "ours": ours,
    "tile": tile,
    "galsim": galsim_,
    "ufig, its default photons": ufig(4.4e5),
    "ufig, 1e7 photons": ufig(1e7),
}

if __name__ == "__main__":
    main(CASES)
