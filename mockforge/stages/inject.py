"""The stage `inject`: galaxies and stars with exact truth, painted into a sky that is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Count, Limit, Positive, Varying, config, fixed, uniform
from mockforge.errors import InputError
from mockforge.galaxies.population import TABLE
from mockforge.galaxies.real.rule import RealStamps
from mockforge.observe.problems import instrument_problems
from mockforge.observe.psf.of_survey import survey_psf
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.photometry.bands import Band, curve
from mockforge.rng import Stream
from mockforge.scene.injected import Injection, draw_objects, paint_layers
from mockforge.scene.injected_into import attributes_of, recorded
from mockforge.scene.injected_truth import InjectedObjects, InjectedSample, injected, joined, sky_before
from mockforge.scene.model import SceneModel, Structure
from mockforge.units import ZEROPOINT_NJY

STANDS_FOR: dict[str, str] = {
    "u": "lsst_u", "g": "lsst_g", "r": "lsst_r", "i": "lsst_i", "z": "lsst_z", "y": "lsst_y",
    "Z": "lsst_z", "Y": "vista_Y", "J": "vista_J", "H": "vista_H", "K": "vista_Ks", "Ks": "vista_Ks",
}  # fmt: skip
"""The curve that gives a band of this name its colours where the recipe names none: VIRCAM's own for Y
to Ks; Rubin's for u to Z, whose pivot wavelengths are near those of OmegaCAM and VIRCAM."""


@config
class Inject(Stage):
    """Paint galaxies and stars, every parameter known, into images with a noiseless `truth`.

    They are seen through the sky's own PSF and added to `image` and `truth`; where the source gives
    a gain (the attribute `electrons_per_njy`), with the photon noise of their own light, and up to
    the saturation it gives (`saturation_njy`). Galaxies are the population's (`sky.population`) of
    the magnitude that is drawn, so that size, shape, redshift and colours are correlated.

    Adds a row for each to the table `objects`, with the columns of `scene` but for the order in
    depth, and `injected`; its `magnitude` is the one that was drawn, in `band`. Objects of a stage
    before keep their rows, as they were before the injection, and their labels; those of the injected
    ones follow. Writes `instances_visible`, `multiplicity`, `overlap_label`, `overlap_fraction` as
    `scene` does. Light of the sky that no stage has labelled counts in the shares, under label 0:
    `separate` before this labels a painted sky's own sources.
    """

    galaxies_per_arcmin2: Annotated[Varying, Limit(ge=0)] = fixed(10.0)
    """Galaxies in a square arcmin, drawn for each sample."""
    stars_per_arcmin2: Annotated[Varying, Limit(ge=0)] = fixed(1.0)
    """Stars in a square arcmin, drawn for each sample."""
    magnitude: Annotated[Varying, Limit(ge=14, le=31)] = uniform(20.0, 27.0)
    """AB magnitude of each galaxy in `band`."""
    star_magnitude: Annotated[Varying, Limit(ge=12, le=31)] = uniform(18.0, 26.0)
    """AB magnitude of each star in `band`."""
    band: str | None = None
    """Band of the images that the magnitudes are in; null: the mean flux of all bands, on which
    objects are detected by default."""
    places: Literal["random", "grid"] = "random"
    """`random`: a Poisson number anywhere, so that they blend with each other too; `grid`: a hexagonal
    lattice of that density, with a new origin in each sample and off the pixels' centres."""
    curves: dict[str, Band] | None = None
    """Curve that stands for each band of the images, such as {g: lsst_g}; null: the band of the same
    name, and for u, g, r, i, z, y, Z, Y, J, H, K, Ks ours nearest in wavelength."""
    psf: Psf | None = None
    """PSF; null: Gaussians of the source's `psf_fwhm_arcsec`, which is what a painted sky is seen
    through, also where that differs from sample to sample (slower: no two share their transforms)."""
    structure: Structure = Structure()
    """Bulges, disks and knots of the galaxies."""
    real: RealStamps | None = None
    """Real images, in galsim's RealGalaxy format, for the bright galaxies; null: profiles for all."""
    temperature_k: tuple[Positive, Positive] = (3000.0, 6500.0)
    """Coolest and hottest star, spread evenly in the logarithm; stars are black bodies."""
    edge_mag_arcsec2: Annotated[float, Limit(ge=24, le=38)] = 30.0
    """Surface brightness to which an object is painted; farther out it has no light."""
    isophote_mag_arcsec2: Annotated[float, Limit(ge=15, le=35)] = 27.0
    """Surface brightness of an object's own light, mean of the bands, that bounds
    `instances_visible`, `multiplicity` and `amodal_area`; a source's own isophote comes first."""
    overlap: Annotated[Count, Limit(le=16)] = 4
    """Objects of a pixel that are distinguished."""

    def __post_init__(self) -> None:
        low, high = self.temperature_k
        if low > high or low < 1500 or high > 40000:
            raise ValueError(f"temperature_k should rise, from 1500 to 40000, found [{low:g}, {high:g}]")

    def reads(self) -> frozenset[str]:
        """Return the sky, with and without noise."""
        return frozenset({"image", "truth"})

    def writes(self) -> frozenset[str]:
        """Return the sky with the objects, their masks and the table."""
        names = {"image", "truth", "objects", "instances_visible", "multiplicity"}
        return frozenset(names | {"overlap_label", "overlap_fraction"})

    def files_read(self) -> dict[str, Path]:
        """Return the population's table."""
        return {"hst_population": TABLE}

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects"})

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return a PSF that does not fit the bands, and bands without a curve."""
        yield from instrument_problems(self, bands)
        try:
            self.curves_of(bands)
        except InputError as error:
            yield (), str(error)

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        look = "look like" if self.real is None else f"up to {self.real.faintest:g} mag are"
        return (
            f"Injected objects {look} galaxies of deep Hubble fields, in numbers and magnitudes as requested;"
            " they do not cluster."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with objects in every sample.

        InputError where bands, pixel scale or PSF are not known, or images are not in nJy.
        """
        if batch.arrays["truth"].shape != batch.arrays["image"].shape:
            raise InputError(
                f"truth is {batch.arrays['truth'].shape[1:]} and image {batch.arrays['image'].shape[1:]} a"
                " sample: they should have one grid; inject before what changes the pixels"
            )
        rule = Injection(**{f.name: getattr(self, f.name) for f in fields(Injection)})
        about = [attributes_of(batch, i) for i in range(len(batch))]
        models = [self.model_for(attributes) for attributes in about]
        bands = tuple(batch.attributes["bands"])
        scale = models[0].pixel_scale_arcsec
        isophote = float(batch.attributes.get("isophote_njy") or self.isophote_njy(scale))
        samples: list[InjectedSample] = []
        images = []
        for i in range(len(batch)):
            own = stream.child(int(batch.draw[i]))
            sky = sky_before(batch, i)
            objects, magnitude = draw_objects(rule, models[i], bands, sky.truth.shape[1:], stream.seed, own)
            layers = paint_layers(models[i], objects, sky.truth.shape[1:])
            new = InjectedObjects(objects, magnitude, layers)
            sample = injected(bands, sky, new, isophote, self.overlap, batch.margin)
            samples.append(sample if self.real is None else sample.with_pictures(self.real, objects))
            light = sample.truth - sky.truth
            images.append(recorded(batch.arrays["image"][i], light, about[i], own.child("photons")))
        arrays = {"image": np.stack(images), "truth": np.stack([p.truth for p in samples])}
        for name in ("instances_visible", "multiplicity", "overlap_label", "overlap_fraction"):
            arrays[name] = np.stack([getattr(p, name) for p in samples])
        if "isolated" in batch.arrays:  # its last slot is what the others are not
            more = arrays["truth"] - batch.arrays["truth"]
            alone = batch.arrays["isolated"]
            arrays["isolated"] = np.concatenate([alone[:, :-1], alone[:, -1:] + more[:, None]], axis=1)
        out = batch.with_arrays(**arrays).with_table("objects", joined(batch, [p.table for p in samples]))
        return out.with_attributes(isophote_njy=isophote, injected_magnitude=self.band or "mean of the bands")

    def isophote_njy(self, pixel_scale_arcsec: float) -> float:
        """Return the isophote in nJy per pixel."""
        return 10 ** (-0.4 * (self.isophote_mag_arcsec2 - ZEROPOINT_NJY)) * pixel_scale_arcsec**2

    def model_for(self, attributes: Any) -> SceneModel:
        """Return what the objects are seen through, from what a source says of its images."""
        bands = tuple(attributes.get("bands") or ())
        if not bands:
            raise InputError("no stage before names the bands of the images, which set colours; give `bands`")
        if attributes.get("unit") != "nJy":
            raise InputError(
                f"the images are in {attributes.get('unit') or 'an unknown unit'}, and true fluxes need nJy;"
                " give the source its `zeropoint`"
            )
        scale = attributes.get("pixel_scale_arcsec")
        if scale is None:
            raise InputError("the pixel scale is not known: no stage before gives `pixel_scale_arcsec`")
        if self.band is not None and self.band not in bands:
            raise InputError(f"band {self.band!r}: the images have {', '.join(bands)}; or give null")
        return SceneModel(
            bands=self.curves_of(bands), pixel_scale_arcsec=float(scale),
            psf=self._psf(bands, attributes.get("psf_fwhm_arcsec")), structure=self.structure,
            real=self.real, stars=None, edge_mag_arcsec2=self.edge_mag_arcsec2,
        )  # fmt: skip

    def curves_of(self, bands: Sequence[str]) -> tuple[Band, ...]:
        """Return the curve of each band of the images. InputError where one has none, or two the same."""
        own_curves = self.curves or {}
        unused = [name for name in own_curves if name not in bands]
        if unused:
            raise InputError(f"curves: no band {unused[0]!r} in the images, which have {', '.join(bands)}")
        out = tuple(own_curves.get(name) or STANDS_FOR.get(name, name) for name in bands)
        for name, chosen in zip(bands, out, strict=True):
            try:
                curve(chosen)
            except InputError as error:
                raise InputError(
                    f"band {name!r} has no curve of its own ({error}); name one, such as"
                    f" curves: {{{name}: lsst_r}}"
                ) from error
        if len(set(out)) < len(out):
            raise InputError(
                f"curves: {', '.join(bands)} are seen through {', '.join(out)}; each needs one of its own"
            )
        return out

    def _psf(self, bands: Sequence[str], fwhm: Sequence[float] | None) -> Psf:
        if self.psf is not None:  # a survey is asked for the images' bands, not their curves
            return self.psf if self.psf.survey is None else survey_psf(self.psf.survey, bands)
        if fwhm is None or len(fwhm) != len(bands) or not all(f > 0 for f in fwhm):
            raise InputError("the PSF is not known: no stage before gives `psf_fwhm_arcsec`; give `psf`")
        return Psf(gaussian=Gaussian(fwhm_arcsec=tuple(float(f) for f in fwhm)))
