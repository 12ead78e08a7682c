"""The source `sersic_sed`: one galaxy at two redshifts, Sersic profiles times spectra."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, uniform
from mockforge.galaxies.bodies import Bodies, Sizes, draw_bodies, sizes_of, stamp_side
from mockforge.galaxies.notices import age_columns, age_notice, check_formed, light_notice
from mockforge.galaxies.redshifts import RedshiftGrid, check_redshifts, reach
from mockforge.galaxies.shapes import Asymmetry, Bulge, Companions, Knots, Shapes, draw_shapes
from mockforge.galaxies.table import light_columns, part_columns, scale_columns, spectrum_columns
from mockforge.observe.psf.spec import Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.epochs import Epochs, Light, light
from mockforge.photometry.igm import Igm
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.units import ZEROPOINT_NJY

if TYPE_CHECKING:
    from mockforge.profiles.draw import Drawn


@config
class SersicSed:
    """Pairs of noiseless stamps of one galaxy, `input` at z_in and `target` at z_out > z_in.

    An image is profile(y, x) times the flux of its spectrum in each band, in nJy, summed over
    the galaxy's parts. Between the two lie angular size, surface-brightness dimming, the shift
    of the spectrum through the bands and evolution, each with a switch. The one scale of all
    images is 1 nJy: nothing is divided by a sample's own pixels or by another sample.

    Pairings: numbers for `z_in` and `z_out` give fixed to fixed; a number and a distribution,
    fixed to many; two distributions, many to many. Pairs without z_out > z_in are drawn again,
    both redshifts together.

    Writes `input_clean`, `target_clean` (N,C,H,W) f4 in nJy, without PSF; with a PSF also
    `input_psf`, `target_psf`; `input` and `target`, the same with PSF where there is one;
    `z_in`, `z_out` (N,) f4; `profile_in`, `profile_out` (N,K,H,W) f4, the flux fraction in a
    pixel of each part (main body, bulge, companions, knots); and the table `galaxy` with every
    parameter drawn, total fluxes and K-corrections.
    """

    bands: tuple[Band, ...] = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F160W")
    """Bands of the images, in the order of the channel axis."""
    stamp: Count = 60
    """Height and width of a stamp, pixels."""
    enclose: Annotated[float, Limit(gt=0, lt=1)] | None = None
    """Share of its light that a galaxy should have on its stamp, e.g. 0.95: stamps are then as large as 99%
    of the galaxies need at both redshifts, and at least `stamp`. Null: `stamp`, whatever falls off it."""
    pixel_scale_arcsec: Positive = 0.1
    """Size of a pixel, arcsec."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for distances, angular sizes and ages."""
    z_in: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the input."""
    z_out: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the target; always above z_in."""
    redshift_grid: RedshiftGrid | None = RedshiftGrid()
    """Redshifts move to the nearest of this grid (its ends catch half as many draws of a uniform
    distribution between them); null for continuous redshifts, each integrated by itself."""
    spectra: Spectra = Spectra()
    """Spectra of the galaxies; every galaxy draws one, all equally likely."""
    population: Literal["constant", "evolving"] = "constant"
    """Constant: the target is the very population seen at z_in, farther away. Evolving: the
    target is younger by the time between, as its star-formation history has it."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""
    magnitude: Varying = uniform(-23.0, -18.0)
    """AB magnitude of the whole galaxy in `magnitude_band`."""
    magnitude_kind: Literal["absolute", "apparent"] = "absolute"
    """Absolute in the rest frame, or apparent as the input has it."""
    magnitude_band: Band = "lsst_r"
    """Band of `magnitude`; it need not be one of `bands`."""
    r_e: Annotated[Varying, Limit(gt=0)] = Varying("lognormal", (3.0, 0.5))
    """Effective radius of the main body: semi-major axis of the ellipse that holds half its light."""
    r_e_unit: Literal["kpc", "arcsec", "pixel"] = "kpc"
    """Unit of `r_e`; an angle is that of the input."""
    n: Annotated[Varying, Limit(ge=0.3, le=8)] = uniform(0.5, 4.0)
    """Sersic index of the main body."""
    axis_ratio: Annotated[Varying, Limit(ge=0.05, le=1)] = uniform(0.2, 1.0)
    """Minor over major axis, 1 - ellipticity."""
    position_angle: Varying = uniform(0.0, 180.0)
    """Angle of the major axis from +x towards +y, degrees."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    bulge: Bulge | None = None
    """A bulge on the main body, which is then the disk: colours differ from centre to edge."""
    companions: Companions | None = None
    """Further galaxies beside it, for compound ones."""
    knots: Knots | None = None
    """Star-forming knots on the main body."""
    asymmetry: Asymmetry | None = None
    """Lopsidedness of the main body."""
    angular_size: bool = True
    """The target's angular size follows the angular-diameter distance; if not, it is the input's."""
    dimming: bool = True
    """Surface brightness falls by ((1 + z_in) / (1 + z_out))^4."""
    band_shift: bool = True
    """The target's bands see the spectrum at z_out; if not, the target has the input's colours."""
    size_evolution: float = 0.0
    """Physical sizes change by ((1 + z_out) / (1 + z_in)) to this power; about -1 is observed."""
    luminosity_evolution: float = 0.0
    """Magnitudes by which the target changes per unit of redshift; -1 brightens it by 1 a unit."""
    psf_in: Psf | None = None
    """PSF of the input; null for none."""
    psf_out: Psf | None = None
    """PSF of the target; null for none."""
    device: str = "cpu"
    """Where galaxies are drawn: cpu, cuda, cuda:1, ... Bytes are equal on one kind of device."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        check_redshifts(self.z_in, self.z_out, self.redshift_grid)
        if (self.psf_in is None) != (self.psf_out is None):
            raise ValueError("psf_in and psf_out go together: give both, or neither")
        if self.population == "evolving" and not isinstance(self.spectra.chosen, Populations):
            raise ValueError("population: evolving needs spectra: {populations: ...}; templates have no age")
        evolving = self.population == "evolving"
        parts = (self, *(p for p in (self.bulge, self.companions, self.knots) if p is not None))
        for spectra in (part.spectra for part in parts if part.spectra is not None):
            last = reach(self.z_out if evolving else self.z_in)[1]
            if math.isfinite(last):
                check_formed(spectra, last, "z_out" if evolving else "z_in")

    def reads(self) -> frozenset[str]:
        """Nothing: a source."""
        return frozenset()

    def writes(self) -> frozenset[str]:
        """Images, redshifts, profiles and the table `galaxy`."""
        names = {
            "input",
            "target",
            "input_clean",
            "target_clean",
            "z_in",
            "z_out",
            "profile_in",
            "profile_out",
        }
        if self.psf_in is not None:
            names |= {"input_psf", "target_psf"}
        return frozenset(names | {"galaxy"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        parts = {"knots": self.knots, "a bulge": self.bulge, "companions": self.companions}
        given = [name for name, part in parts.items() if part is not None]
        also = f" with {' and '.join(filter(None, (', '.join(given[:-1]), given[-1])))}" if given else ""
        spectra = [p.spectra for p in (self, self.bulge, self.companions, self.knots) if p and p.spectra]
        stars = all(isinstance(s.chosen, Populations) and not s.chosen.nebular for s in spectra)
        lines = " of stars alone, without emission lines" if stars else ""
        return (
            f"Galaxies are Sersic profiles{also}, of model spectra{lines}: no bars, arms or dust lanes; each"
            " parameter is drawn independently, without the correlations of a real survey."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every pair of the batch. InputError where redshifts cannot be paired."""
        if self.enclose is not None:
            return replace(self, stamp=stamp_side(self), enclose=None)(batch, stream)
        body = draw_bodies(self, len(batch), stream)
        shapes = draw_shapes(
            body.n, body.axis_ratio, body.position_angle,
            self.bulge, self.companions, self.knots, self.asymmetry, stream,
        )  # fmt: skip
        spectra, spectrum = _choose_spectra(self, shapes, stream)
        found = light(
            spectra, spectrum, shapes.weight, body.magnitude, self.magnitude_kind, self.magnitude_band,
            self.bands, _epochs(self, body),
        )  # fmt: skip
        sizes = sizes_of(self, body)
        near = _paint(self, body, shapes, sizes.r_e_in, found.sed_in, self.psf_in)
        far = _paint(self, body, shapes, sizes.r_e_out, found.sed_out, self.psf_out)
        return _filled(self, batch, near, far, body).with_table(
            "galaxy", _galaxy(self, batch, body, shapes, sizes, spectra, spectrum, found, near, far)
        )

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        galaxy = tables.get("galaxy", {})
        found = [light_notice(galaxy), age_notice(galaxy) if self.population == "constant" else None]
        return [sentence for sentence in found if sentence]


def _choose_spectra(cfg: SersicSed, shapes: Shapes, stream: Stream) -> tuple[tuple[Spectra, ...], np.ndarray]:
    """Return the spectra of each part, and which of them each galaxy's part has, (N, K + 1)."""
    from mockforge.photometry.fluxes import spectrum_set

    count, companions = len(shapes.x), 0 if cfg.companions is None else cfg.companions.most
    own = [("sed", cfg.spectra)]
    if cfg.bulge is not None:
        own.append(("bulge sed", cfg.bulge.spectra or cfg.spectra))
    if cfg.companions is not None:
        own += [(f"companion {j} sed", cfg.companions.spectra or cfg.spectra) for j in range(companions)]
    if cfg.knots is not None:
        own.append(("knots sed", cfg.knots.spectra or cfg.spectra))
    else:
        own.append(("sed", cfg.spectra))  # no light; the column keeps the shapes alike
    rows = [
        stream.child(name).numpy().integers(len(spectrum_set(s, cfg.cosmology).names), size=count)
        for name, s in own
    ]
    return tuple(s for _, s in own), np.stack(rows, axis=1)


def _epochs(cfg: SersicSed, body: Bodies) -> Epochs:
    return Epochs(
        z_in=body.z_in,
        z_out=body.z_out,
        cosmology=cfg.cosmology,
        igm=cfg.igm,
        evolving=cfg.population == "evolving",
        angular_size=cfg.angular_size,
        dimming=cfg.dimming,
        band_shift=cfg.band_shift,
        luminosity_evolution=cfg.luminosity_evolution,
    )


@steadily()
def _paint(
    cfg: SersicSed, body: Bodies, shapes: Shapes, r_e_arcsec: np.ndarray, sed: np.ndarray, psf: Psf | None
) -> Drawn:
    """Return the stamps of galaxies whose main body has this effective radius."""
    import torch

    from mockforge.observe.psf.transfer import transfer
    from mockforge.profiles.draw import Knots as DrawnKnots
    from mockforge.profiles.draw import Sersics, draw
    from mockforge.train.parallel import usable

    device = usable(cfg.device)
    r_e = (r_e_arcsec / cfg.pixel_scale_arcsec)[:, None]
    x, y = body.x[:, None], body.y[:, None]

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)).to(device)

    sersics = Sersics(
        x=there(x + shapes.x * r_e),
        y=there(y + shapes.y * r_e),
        r_e=there(shapes.r_e * r_e),
        n=there(shapes.n),
        axis_ratio=there(shapes.axis_ratio),
        position_angle=there(shapes.position_angle),
        asymmetry=there(shapes.asymmetry),
        asymmetry_angle=there(shapes.asymmetry_angle),
    )
    knots = None
    if cfg.knots is None:
        sed = sed[:, :, :-1]
    else:
        sigma = np.broadcast_to(shapes.knot_size[:, None] * r_e, shapes.knot_x.shape)
        knots = DrawnKnots(
            x=there(x + shapes.knot_x * r_e),
            y=there(y + shapes.knot_y * r_e),
            sigma=there(sigma),
            weight=there(shapes.knot_weight),
        )
    shape = (cfg.stamp, cfg.stamp)
    seen = None if psf is None else transfer(psf, cfg.bands, cfg.pixel_scale_arcsec, shape)
    return draw(sersics, knots, there(sed), shape, seen)


def _filled(cfg: SersicSed, batch: Batch, near: Drawn, far: Drawn, body: Bodies) -> Batch:
    """Return the batch with its images and what is true of all of them."""
    images = {
        "input_clean": near.clean,
        "target_clean": far.clean,
        "input": near.clean,
        "target": far.clean,
        "profile_in": near.profile,
        "profile_out": far.profile,
    }
    if near.psf is not None and far.psf is not None:
        images |= {"input_psf": near.psf, "target_psf": far.psf, "input": near.psf, "target": far.psf}
    return batch.with_arrays(
        **{name: image.cpu().numpy() for name, image in images.items()},
        z_in=body.z_in.astype(np.float32),
        z_out=body.z_out.astype(np.float32),
    ).with_attributes(
        bands=cfg.bands,
        pixel_scale_arcsec=cfg.pixel_scale_arcsec,
        unit="nJy",
        zeropoint_ab=ZEROPOINT_NJY,
        psf_fwhm_in_arcsec=_fwhm(cfg, cfg.psf_in),
        psf_fwhm_out_arcsec=_fwhm(cfg, cfg.psf_out),
    )


def _fwhm(cfg: SersicSed, psf: Psf | None) -> tuple[float, ...]:
    if psf is None:
        return (0.0,) * len(cfg.bands)
    from mockforge.observe.psf.transfer import transfer

    shape = (cfg.stamp, cfg.stamp)
    return tuple(float(f) for f in transfer(psf, cfg.bands, cfg.pixel_scale_arcsec, shape).fwhm_arcsec)


def _galaxy(
    cfg: SersicSed, batch: Batch, body: Bodies, shapes: Shapes, sizes: Sizes,
    spectra: tuple[Spectra, ...], spectrum: np.ndarray, found: Light, near: Drawn, far: Drawn,
) -> dict[str, Any]:  # fmt: skip
    """Return the table `galaxy`: a row a sample."""
    companions = 0 if cfg.companions is None else cfg.companions.most
    prefixes = ["", *(["bulge_"] if cfg.bulge else []), *(f"companion_{j}_" for j in range(companions))]
    prefixes += ["knots_"] if cfg.knots else []
    table: dict[str, Any] = {
        "sample": batch.sample,
        "z_in": body.z_in,
        "z_out": body.z_out,
        "x": body.x,
        "y": body.y,
        "r_e_in": sizes.r_e_in,
        "r_e_out": sizes.r_e_out,
        "r_e_kpc_in": sizes.kpc_in,
        "r_e_kpc_out": sizes.kpc_out,
        "n": body.n,
        "axis_ratio": body.axis_ratio,
        "position_angle": body.position_angle,
        "magnitude": body.magnitude,
        **light_columns(cfg.bands, found),
        **scale_columns(body.z_in, body.z_out, cfg.cosmology),
        **part_columns(
            shapes, cfg.bulge is not None, companions, cfg.knots is not None, cfg.asymmetry is not None
        ),
        "fraction_in": _on_stamp(near, found.sed_in),
        "fraction_out": _on_stamp(far, found.sed_out),
        **age_columns(
            spectra[0], spectrum[:, 0], body.z_in if cfg.population == "constant" else body.z_out,
            body.z_out, cfg.cosmology,
        ),
    }  # fmt: skip
    for k, prefix in enumerate(prefixes):
        table |= spectrum_columns(prefix, spectra[k], spectrum[:, k], cfg.cosmology)
    return table


def _on_stamp(drawn: Drawn, sed: np.ndarray) -> np.ndarray:
    """Share of the total flux of all bands that falls on the stamp without PSF, (N,)."""
    inside = drawn.profile.sum(dim=(2, 3)).cpu().numpy().astype(np.float64)
    parts = sed.sum(axis=1)[:, : inside.shape[1]]
    return (inside * parts).sum(axis=1) / sed.sum(axis=(1, 2))
