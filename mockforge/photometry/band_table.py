"""Which bands have a bundled curve, from which library each was taken, and other names for them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from mockforge.errors import nearest

BANDPASSES: dict[str, str] = {
    "F275W": "WFC3_uvis_F275W.dat",
    "F336W": "WFC3_uvis_F336W.dat",
    "F435W": "ACS_wfc_F435W.dat",
    "F606W": "ACS_wfc_F606W.dat",
    "F775W": "ACS_wfc_F775W.dat",
    "F814W": "ACS_wfc_F814W.dat",
    "F850LP": "ACS_wfc_F850LP.dat",
    "F105W": "WFC3_ir_F105W.dat",
    "F125W": "WFC3_ir_F125W.dat",
    "F160W": "WFC3_ir_F160W.dat",
    "lsst_u": "LSST_u.dat",
    "lsst_g": "LSST_g.dat",
    "lsst_r": "LSST_r.dat",
    "lsst_i": "LSST_i.dat",
    "lsst_z": "LSST_z.dat",
    "lsst_y": "LSST_y.dat",
}
"""Name -> file in galsim's `share/bandpasses` (total throughput, wavelength in nm)."""

CANDELS_GOODSS: tuple[str, ...] = (
    "CTIO_U",
    "VIMOS_U",
    "candels_F435W",
    "candels_F606W",
    "candels_F775W",
    "candels_F814W",
    "candels_F850LP",
    "F098M",
    "candels_F105W",
    "candels_F125W",
    "candels_F160W",
    "ISAAC_Ks",
    "HAWKI_Ks",
    "IRAC_ch1",
    "IRAC_ch2",
    "IRAC_ch3",
    "IRAC_ch4",
)
"""The 17 bands of the CANDELS GOODS-S catalogue, in its own curves.

The names with `candels_` are the HST bands as that catalogue used them; their pivot wavelengths are
within 0.25% of those of the same bands in galsim.
"""


def _of(library: str, pattern: str, names: str, form: str = "{}") -> dict[str, tuple[str, str]]:
    """`name` -> (library, the library's name) for the words of `names`."""
    return {form.format(n): (library, pattern.format(n, low=n.lower())) for n in names.split()}


FILTERS: dict[str, tuple[str, str]] = {
    "hsc_g": ("speclite", "hsc2017-g"),
    "hsc_r": ("speclite", "hsc2017-r2"),
    "hsc_i": ("speclite", "hsc2017-i2"),
    "hsc_z": ("speclite", "hsc2017-z"),
    "hsc_y": ("speclite", "hsc2017-y"),
    "VIS": ("speclite", "Euclid-VIS"),
    **_of("speclite", "Euclid-{}", "Y J H", "NISP_{}"),
    **_of("speclite", "sdss2010-{}", "u g r i z", "sdss_{}"),
    **_of("speclite", "decam2014-{}", "u g r i z Y", "decam_{}"),
    **_of("speclite", "panstarrs-{}", "g r i z y w", "ps1_{}"),
    **_of("speclite", "twomass-{}", "J H Ks", "twomass_{}"),
    **_of("speclite", "cfht_megacam-{}", "u g r i z", "megacam_{}"),
    **_of("sedpy", "vista_vircam_{}", "Z Y J H Ks", "vista_{}"),
    **_of("sedpy", "roman_wfi_{low}", "F062 F087 F106 F129 F146 F158 F184 F213"),
    **_of("sedpy", "jwst_{low}", "F070W F090W F115W F150W F200W F277W F356W F444W"),
    **_of("sedpy", "jwst_{low}", "F140M F162M F182M F210M F250M F300M F335M F360M F410M F430M F460M F480M"),
    **_of("sedpy", "jwst_{low}", "F560W F770W F1000W F1280W F1500W F1800W"),
    **_of("sedpy", "acs_wfc_{low}", "F475W F555W F625W"),
    **_of("sedpy", "wfc3_uvis_{low}", "F225W F390W"),
    **_of("sedpy", "wfc3_ir_{low}", "F110W F140W"),
}
"""Name -> (library, its name there). speclite 1.0.0 (BSD-3) and astro-sedpy 0.4.1 (MIT)."""

FOLDER = Path(__file__).with_name("data") / "filters"
"""Files of further curves, each a band called as its file: wavelength and throughput in two columns."""


@cache
def filter_files() -> dict[str, Path]:
    """Return the bands whose curves are files of `FOLDER`: name -> file."""
    return {path.name.partition(".")[0]: path for path in sorted(FOLDER.glob("*.dat"))}


_PREFIXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"F(225|275|336|390)W", ("wfc3_", "wfc3_uvis_", "uvis_", "hst_", "hst_wfc3_", "hst_wfc3_uvis_")),
    (r"F(435|475|555|606|625|775|814)W|F850LP",
     ("acs_", "acs_wfc_", "wfc_", "hst_", "hst_acs_", "hst_acs_wfc_")),
    (r"F(098M|(105|110|125|140|160)W)", ("wfc3_", "wfc3_ir_", "ir_", "hst_", "hst_wfc3_", "hst_wfc3_ir_")),
    (r"F(070|090|115|150|200|277|356|444)W|F(?!098)\d{3}M", ("nircam_", "jwst_", "jwst_nircam_")),
    (r"F(560|770|1000|1280|1500|1800)W", ("miri_", "jwst_", "jwst_miri_")),
    (r"F\d{3}", ("roman_", "wfi_", "roman_wfi_", "wfirst_")),
    (r"VIS", ("euclid_",)),
)  # fmt: skip
"""Names and the words that may stand before them."""

_OTHER = {
    "euclid_y": "NISP_Y", "euclid_j": "NISP_J", "euclid_h": "NISP_H",
    "euclid_nisp_y": "NISP_Y", "euclid_nisp_j": "NISP_J", "euclid_nisp_h": "NISP_H",
    "2mass_j": "twomass_J", "2mass_h": "twomass_H", "2mass_ks": "twomass_Ks", "2mass_k": "twomass_Ks",
    "hsc_r2": "hsc_r", "hsc_i2": "hsc_i", "vista_k": "vista_Ks", "lsst_y4": "lsst_y",
    "subaru_hsc_g": "hsc_g", "subaru_hsc_r": "hsc_r", "subaru_hsc_i": "hsc_i", "subaru_hsc_z": "hsc_z",
    "subaru_hsc_y": "hsc_y", "panstarrs_g": "ps1_g", "panstarrs_r": "ps1_r", "panstarrs_i": "ps1_i",
    "panstarrs_z": "ps1_z", "panstarrs_y": "ps1_y", "cfht_u": "megacam_u", "cfht_g": "megacam_g",
    "cfht_r": "megacam_r", "cfht_i": "megacam_i", "cfht_z": "megacam_z", "viking_z": "vista_Z",
    "viking_y": "vista_Y", "viking_j": "vista_J", "viking_h": "vista_H", "viking_ks": "vista_Ks",
    "vircam_z": "vista_Z", "vircam_y": "vista_Y", "vircam_j": "vista_J", "vircam_h": "vista_H",
    "vircam_ks": "vista_Ks",
}  # fmt: skip


def known_bands() -> tuple[str, ...]:
    """Every band with a curve of the package."""
    return (*BANDPASSES, *CANDELS_GOODSS, *FILTERS, *filter_files())


@cache
def _aliases() -> dict[str, str]:
    """Lower-case words -> the band that they mean."""
    out = dict(_OTHER)
    for name in known_bands():
        out[name.lower()] = name
        for pattern, before in _PREFIXES:
            if re.fullmatch(pattern, name):
                out |= {f"{start}{name.lower()}": name for start in before}
    return out


def canonical(word: str) -> str | None:
    """Return the bundled band that a word means, as `acs_f606w`, `HSC-i` or `Euclid_VIS`; None for others."""
    if word in known_bands():
        return word
    return _aliases().get(re.sub(r"[-./ ]+", "_", word.strip()).lower())


def unknown(word: str) -> str:
    """Return what to say of a band without a curve."""
    own = f"give your own curve by its path, such as {{{word}: filters/{word}.dat}}"
    if re.match(r"(?i)(kids|omegacam|vst)[_-]?[ugri]?$", word):
        return (
            f"unknown band {word!r}: OmegaCAM's curves are in no library whose data may be bundled; {own}, or"
            f" name another instrument's band by your own word, such as sdss_{word[-1].lower()}"
        )
    alike = [name for name in known_bands() if name.rpartition("_")[2].lower() == word.lower()]
    meant = f"; did you mean one of {', '.join(alike)}?" if alike else nearest(word, known_bands())
    return f"unknown band {word!r}{meant}; or {own}"
