"""Which point spread function: a Gaussian, a Moffat, an Airy pattern, a profile, images or a survey's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError
from mockforge.files import named
from mockforge.observe.psf.image import PsfPixels, read_psf_image
from mockforge.observe.surveys.profiles import Profile
from mockforge.observe.surveys.read import own_files


@config
class Gaussian:
    """A Gaussian PSF."""

    fwhm_arcsec: Positive | tuple[Positive, ...]
    """Full width at half maximum: one for all bands, or one per band."""


@config
class Moffat:
    """A Moffat PSF (Moffat 1969), I = (1 + (r / alpha)^2)^-beta."""

    fwhm_arcsec: Positive | tuple[Positive, ...]
    """Full width at half maximum: one for all bands, or one per band."""
    beta: Annotated[float, Limit(gt=1.1, le=100)] = 3.5
    """Slope of the wings; 2.5 to 4.8 on the ground."""


@config
class Airy:
    """Diffraction of a round aperture, each band at its wavelength."""

    diameter_m: Positive
    """Diameter of the aperture."""
    obscuration: Annotated[float, Limit(ge=0, lt=1)] = 0.0
    """Diameter of the central obscuration over that of the aperture."""
    wavelength_um: tuple[Positive, ...] | None = None
    """Wavelength per band; null for the pivot wavelength of each band."""


@config
class PsfImage:
    """PSFs from FITS images, brought to a sum of 1 and centred on their windowed centroid.

    That is SExtractor's XWIN_IMAGE; they are moved where it is more than a twentieth of a pixel from the
    image's middle, which is said. Flat, negative or cut ones, and those with a sky, are refused.
    """

    files: tuple[str, ...]
    """One file for all bands, or one per band."""
    folder: str = "."
    """Folder of the files."""
    pixel_scale_arcsec: Positive | tuple[Positive, ...] | None = None
    """Size of a pixel of the PSF images, one or one per band; null for what their headers say."""
    extensions: tuple[int | str, ...] | None = None
    """Extension of each file, or of the one file per band; null for the only image, or as FILE[EXT]."""
    includes_pixel: bool = True
    """The image is already integrated over its pixels, as PSFs measured on stars are."""

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError("files should name one FITS file, or one per band")

    def files_read(self) -> dict[str, Path]:
        """Return the images."""
        return named(self.files, self.folder)

    def origins(self) -> dict[str, str]:
        """Return what is done to the images beyond bringing them to a sum of 1."""
        notes = [psf_image.note.partition(": ") for _, psf_image in self.read() if psf_image.note]
        return {name: note for name, _, note in notes}

    def read(self) -> list[tuple[Path, PsfPixels]]:
        """Return the file and the pixels of each PSF. InputError where one cannot be used."""
        count = max(len(self.files), len(self.extensions or ()))
        extensions = self.extensions or (None,)
        scale = self.pixel_scale_arcsec
        scales = scale if isinstance(scale, tuple) else (scale,)
        for key, values in (
            ("files", self.files),
            ("extensions", extensions),
            ("pixel_scale_arcsec", scales),
        ):
            if len(values) not in (1, count):
                raise InputError(
                    f"PSF images: {len(values)} `{key}` for {count} images; give one, or one per band"
                )
        out = []
        for i in range(count):
            path = Path(self.folder).expanduser() / Path(self.files[i % len(self.files)]).expanduser()
            pixels = read_psf_image(path, extensions[i % len(extensions)], scales[i % len(scales)])
            out.append((path, pixels))
        return out


@config
class Psf:
    """Exactly one kind of PSF, e.g. `{gaussian: {fwhm_arcsec: 0.15}}`."""

    gaussian: Gaussian | None = None
    """A Gaussian."""
    moffat: Moffat | None = None
    """A Moffat function."""
    airy: Airy | None = None
    """Diffraction of a round aperture."""
    image: PsfImage | None = None
    """FITS images."""
    profile: Profile | tuple[Profile, ...] | None = None
    """Gaussians behind a round aperture: one for all bands, or one per band."""
    survey: str | None = None
    """That of a survey's preset, by name."""

    def files_read(self) -> dict[str, Path]:
        """Return the files of a survey that is the user's own."""
        return own_files(self.survey)

    def __post_init__(self) -> None:
        given = [key for key, value in vars(self).items() if value is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of {', '.join(vars(self))} should be given, found {', '.join(given) or 'none'}"
            )
