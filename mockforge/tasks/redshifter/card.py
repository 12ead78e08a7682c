"""The card of a trained redshifter: what it predicts, what it was trained on, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockforge.train.model_files import training_notes

if TYPE_CHECKING:
    from mockforge.tasks.redshifter.model import Redshifter

_WHAT = {
    "unet": "A conditional U-Net on top of a first guess from geometry",
    "cvae": "The conditional variational autoencoder of the original experiment",
}
_START = {
    "unet": (
        "The first guess is exact in what is known: angular size, distance, and the shift through the bands,",
        "interpolated between them. An untrained network is that guess; what is beyond it was learned.",
        "",
    ),
    "cvae": (),
}


def redshifter_card(model: Redshifter) -> str:
    """Markdown; everything in it is read from the model."""
    scale = f" at {model.pixel_scale_arcsec:g} arcsec per pixel" if model.pixel_scale_arcsec else ""
    known = model.learned
    widths = [known.psf_fwhm_in_arcsec, known.psf_fwhm_out_arcsec, known.noise_njy]
    columns = [column or (None,) * len(model.bands) for column in widths]
    lines = [
        f"# {model.name}",
        "",
        f"{_WHAT[model.kind]}: from the image of a galaxy at z_in to its image at z_out, in nJy, in "
        f"{', '.join(model.bands)}, stamps of {model.shape[0]} x {model.shape[1]} pixels{scale}.",
        "",
        *_START[model.kind],
        f"    mockforge redshift galaxy.fits --model {model.name} --z-in Z --z-out Z -o far.fits",
        "",
        "| band | PSF FWHM of the input (arcsec) | of the prediction | noisiest input (nJy per pixel) |",
        "|---|---|---|---|",
        *(
            f"| {band} | {' | '.join('not known' if v is None else f'{v:.3g}' for v in row)} |"
            for band, *row in zip(model.bands, *columns, strict=True)
        ),
        "",
        "## Training",
        "",
        *(f"- {key}: {value}" for key, value in training_notes(model.training).items()),
        "",
        "## Limits",
        "",
        f"- It was trained on {_ranges(model)} and {model.geometry.cosmology}.",
        "  `mockforge redshift` refuses other redshifts, PSFs and noisier images, unless --extrapolate is "
        "given.",
        "- Its galaxies are those of its dataset: it was trained on no other spectra, shapes, PSFs or "
        "depths.",
        "- It predicts one image, the likely one; the spread of what is possible is not given.",
        "- Light beyond the reach of the input's bands is inferred from the spectra of the dataset.",
        "",
    ]
    return "\n".join(lines)


def _ranges(model: Redshifter) -> str:
    known = model.learned
    if known.z_in is None or known.z_out is None or known.stretch is None:
        return f"redshifts from {model.redshifts[0]:g} to {model.redshifts[1]:g}"
    (a, b), (c, d), (e, f) = known.z_in, known.z_out, known.stretch
    return f"z_in {a:g} to {b:g}, z_out {c:g} to {d:g}, (1 + z_out) / (1 + z_in) {e:g} to {f:g}"
