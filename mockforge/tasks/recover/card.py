"""The card of a network that recovers: what it makes of what, what it was trained on, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockforge.train.model_files import training_notes

if TYPE_CHECKING:
    from mockforge.tasks.recover.model import Recoverer

_WHAT = {
    "residual": "A residual U-Net on top of the interpolated image, for images of any size",
    "cgan": "The conditional GAN of the original study, for stamps of one size",
}


def recoverer_card(model: Recoverer) -> str:
    """Markdown; everything in it is read from the model."""
    s = model.scales
    seeing = s.psf_fwhm_arcsec or (None,) * len(s.bands)
    sharp = s.fine_psf_fwhm_arcsec or (None,) * len(s.bands)
    lines = [
        f"# {model.name}",
        "",
        f"{_WHAT[model.kind]}: from pixels of {s.coarse_arcsec:g} arcsec to pixels of "
        f"{s.fine_arcsec:g} arcsec, in nJy.",
        "",
        "| from | to | sky rms (nJy in a coarse pixel) | PSF FWHM before pixels (arcsec) | after |",
        "|---|---|---|---|---|",
    ]
    for row in zip(s.bands, s.fine_bands, model.rms_njy, seeing, sharp, strict=True):
        widths = " | ".join(f"{w:.2f}" if w else "not known" for w in row[3:])
        lines.append(f"| {row[0]} | {row[1]} | {row[2]:.4g} | {widths} |")
    lines += ["", "## Training", ""]
    lines += [f"- {key}: {value}" for key, value in training_notes(model.training).items()]
    lines += [
        "",
        "## Limits",
        "",
        "- What it adds below the resolution of its input is a guess from the galaxies of its training",
        "  set: likely, not observed. Do not discover anything in it.",
        "- It knows the PSF, the depth and the bands above. A broader or sharper PSF gives a wrong image.",
        "- Its galaxies are smooth profiles; it was not trained on spiral arms, clumps, stars or artefacts.",
        "- It expects an image whose sky is subtracted, and makes one image, without an error.",
        "",
    ]
    return "\n".join(lines)
