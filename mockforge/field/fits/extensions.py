"""What the names of extensions mean: bands, and what stands beside a band."""

from __future__ import annotations

import re

MASKS = ("MASK", "MSK", "DQ", "BPM", "BADPIX", "BADPIXEL", "FLAGS", "FLAG", "QUALITY")
"""Masks and planes of bits."""
_MASK_WORDS = frozenset((*MASKS, "FLG", "DQM", "DQI", "BADPIXELMASK", "BADPIXMASK", "PIXMASK", "BADPIXELS"))
_PLAIN_WORDS = frozenset(
    (
        "BAD",
        "PIXEL",
        "PIXELS",
        "PIX",
        "IMAGE",
        "DATA",
        "BIT",
        "BITS",
        "MAP",
        "SCI",
        "PLANE",
        "ARRAY",
        "HOT",
        "DEAD",
    )
)
VARIANCES = ("VARIANCE", "VAR", "STAT")
SIGMAS = ("ERR", "ERROR", "ERRORS", "RMS", "SIGMA", "STD", "STDEV", "STDDEV", "UNC", "UNCERT", "UNCERTAINTY")
INVERSES = ("INVVAR", "IVAR", "INVERSE_VARIANCE")
WEIGHTS = ("WHT", "WEIGHT", "WEIGHTS", "WGT", "COVERAGE", "COV", "EXPOSURE", "NEXP", "CONF", "CONFIDENCE")
"""0 where nothing was observed; whether they are inverse variances is not stated."""
_OTHERS = (
    "CTX", "CON", "EXP", "EXPMAP", "NSAMP", "SAMP", "TIME", "PSF", "PSFEX", "SEG", "SEGM", "SEGMENTATION",
    "SEGMAP", "LABELS", "INSTANCES", "INSTANCES_VISIBLE", "INSTANCES_TRUTH",
    "OBJECTS", "NOISE", "BACKGROUND", "BKG", "BKGSUB", "BACK", "SKY", "MODEL",
    "MODELS", "RESIDUAL", "RESIDUALS", "RES", "CHI", "CHI2", "FLAT", "DARK", "BIAS", "AREA", "WCSDVARR",
    "D2IMARR", "WAVELENGTH", "HIERARCH", "NCOADD", "NIMAGES", "APERTURE", "XCORR", "CORR", "SCATTER", "DELTA",
)  # fmt: skip
_KINDS = (*MASKS, "FLG", "DQM", "GPM", "GOODPIX", *VARIANCES, *SIGMAS, *INVERSES, *WEIGHTS, *_OTHERS)
_KIND = "|".join(sorted((re.escape(k) for k in _KINDS), key=len, reverse=True))
_BESIDE = re.compile(rf"^(.+[_.-])?({_KIND})([_.-]?\d+)?$|^(TRUTH|VAR|ERR|RMS|MASK|IVAR|WHT|WEIGHT|PSF)_.+$")
"""VIS_RMS, ERR, INVVAR_2, TRUTH_g."""
_OF_PSFS = ("DET_SAMP", "OVERSAMP", "DET_DIST", "OVERDIST")
"""Images of a PSF in different pixels, as STPSF (WebbPSF) writes them: none stands beside another."""
_IMAGE = (
    "",
    "SCI",
    "IMAGE",
    "PRIMARY",
    "COMPRESSED_IMAGE",
    "DATA",
    "FLUX",
    "SCIENCE",
    "COADD",
    "INTENSITY",
    "IMG",
)
_FILTER = re.compile(
    r"^([A-Z0-9]+[_.-])*("
    r"[UBVRI]|[UGRIZYJHKWLM]S?|[UGRIZ]['P]|[UGRIZY]SDSS|F\d{3,4}[A-Z]{1,2}\d?|VIS|FUV|NUV|UVW[12]|UVM2"
    r"|W[1-4]|CH[1-4]|IRAC[._-]?[1-4]|I[1-4]|MIPS\d+|IB\d+|NB\d+|IA\d+|PSW|PMW|PLW|BLUE|GREEN|RED|PACS\d+"
    r"|BAND[_.-]?\d+|NIR|OPTICAL|WHITE|CLEAR"
    r")([_.-](FLUX|SCI|IMAGE|IMG|DATA|COADD))?$"
)


def is_beside(name: str) -> bool:
    """Whether an extension of this name stands beside an image: a weight, a mask, a PSF, a model."""
    return bool(_BESIDE.match(name.upper())) and name.upper() not in _OF_PSFS


def beside_by_file_name(stem: str) -> str:
    """Return what a file is by its name's last word where it is no image of the sky; else empty.

    f160w_rms, coadd-wht, g.mask.
    """
    last = re.split(r"[_.-]+", stem.upper())[-1]
    kinds = ((MASKS, "a mask"), ((*VARIANCES, *SIGMAS, *INVERSES), "a noise map"), (WEIGHTS, "a weight map"))
    return next((kind for words, kind in kinds if last in words), "")


def is_a_mask(name: str) -> bool:
    """Whether a name in other words is that of a mask of the image: BAD PIXEL MASK, QUALITY_FLAGS, FLG."""
    words = set(re.split(r"[^A-Z0-9]+", name.upper())) - {""}
    marks = words & _MASK_WORDS or (words & {"BAD"} and words & {"PIXEL", "PIXELS", "PIX"})
    return bool(marks) and words <= _MASK_WORDS | _PLAIN_WORDS


def is_like_a_mask(name: str) -> bool:
    """Whether a name speaks of marks or masks, of whatever: OBJ_MASK, GPM, SKYMASK."""
    return bool(re.search(r"MASK|MSK|FLAG|FLG|(^|[^A-Z])DQ|BPM|BADPIX|GPM|GOODPIX", name.upper()))


def names_an_image(name: str) -> bool:
    """Whether the name says that this is an image, and not of which band: SCI, IMAGE, or none."""
    return name.upper() in _IMAGE


def names_a_band(name: str) -> bool:
    """Whether the name is that of a filter: G, F160W, VIS, NIR_Y_FLUX, hsc_r, W1."""
    return bool(_FILTER.match(name.upper()))


def stem_of(name: str) -> str:
    """VIS of VIS_FLUX: what the extensions beside it are called after."""
    return re.sub(r"[_.-](FLUX|SCI|IMAGE|IMG|DATA|COADD)$", "", name, flags=re.IGNORECASE)
