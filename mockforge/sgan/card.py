"""The card of a trained SGAN: what it paints, what it learned from, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockforge.sgan.model import Model


def model_card(model: Model) -> str:
    """Markdown; everything in it is read from the model."""
    known = model.psf_fwhm_arcsec or (None,) * len(model.bands)
    lines = [f"# {model.name}", "", _what(model), ""]
    lines += ["| band | sky rms (nJy) | PSF FWHM of the stars (arcsec) | noise correlation at 1 pixel |"]
    lines += ["|---|---|---|---|"]
    instrument = model.instrument
    for band, rms, fwhm, kernel in zip(
        model.bands, instrument.rms_njy, known, instrument.noise_kernel, strict=True
    ):
        seeing = f"{fwhm:.2f}" if fwhm else "not known"
        next_pixel = sum(a * b for row in kernel for a, b in zip(row[:-1], row[1:], strict=True))
        lines.append(f"| {band} | {rms:.4g} | {seeing} | {next_pixel:+.2f} |")
    lines += ["", "## Training", ""]
    lines += [f"- {str(key).replace('_', ' ')}: {value}" for key, value in model.training.items() if value]
    lines += ["", "## Limits", "", *(f"- {text}" for text in _limits(model)), ""]
    return "\n".join(lines)


def _what(model: Model) -> str:
    scale = f" at {model.pixel_scale_arcsec:g} arcsec a pixel" if model.pixel_scale_arcsec else ""
    if model.clean:
        return (
            f"A `forge` SGAN that paints the noiseless sky in {', '.join(model.bands)}{scale}, in nJy. "
            "The observed image is that sky seen through the field's measured PSF and noise, "
            "so that every sample has a truth."
        )
    return (
        f"A `smith2019` SGAN (Smith & Geach 2019) that paints observed pixels in "
        f"{', '.join(model.bands)}{scale}, in nJy, noise and all."
    )


def _limits(model: Model) -> list[str]:
    out = ["Its galaxies are inventions that resemble the training field; none is a real object."]
    if model.clean:
        out += [
            "The noise of a sky is even: the training field's median depth everywhere.",
            "No photon noise of the sources is added."
            if not model.instrument.electrons_per_njy
            else "Photon noise of the sources is added with one gain for all bands.",
        ]
    return [*out, "What the training field's mask hid (saturated stars, say) it has never seen."]
