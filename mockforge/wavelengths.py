"""Where a band lies, by its name: enough to order any survey's bands from blue to red.

No curve is read here, so that a picture needs neither galsim nor a file. Names of space telescopes say
their wavelength; those of the ground are letters. Values are pivot wavelengths, nm, as the SVO Filter
Profile Service lists them (Rodrigo & Solano 2020; svo2.cab.inta-csic.es/theory/fps), rounded.
"""

from __future__ import annotations

import re

_LETTERS = {
    # SDSS and LSST; Bessell's; VISTA, UKIDSS
    "u": 360, "g": 475, "r": 620, "i": 760, "z": 890, "y": 970,
    "U": 365, "B": 440, "V": 551, "R": 650, "I": 800,
    "Z": 880, "Y": 1020, "J": 1250, "H": 1640, "K": 2190, "Ks": 2150,
    # GALEX, Euclid, WISE, Spitzer
    "FUV": 154, "NUV": 230, "VIS": 715, "W1": 3350, "W2": 4600, "W3": 11560, "W4": 22090,
    "ch1": 3550, "ch2": 4490, "ch3": 5720, "ch4": 7880,
}  # fmt: skip
_OWN = {"NISP": {"Y": 1085, "J": 1370, "H": 1770}}
"""Instruments whose letters lie elsewhere."""
_SLOAN = {"hsc", "sdss", "des", "decam", "decals", "ps1", "lsst", "kids", "megacam", "cfhtls"}
"""Surveys whose capital G, R, I, Z, Y are Sloan's."""
_PIVOTS = {"F435W": 433, "F606W": 592, "F625W": 631, "F775W": 769, "F814W": 805, "F850LP": 904, "F160W": 1537}
"""Hubble's where the name is not the pivot."""
_JWST = frozenset(
    f"F{name}"
    for name in (
        *("200W", "205W", "210M", "212N", "222M", "250M", "277W", "300M", "322W2", "323N", "335M", "356W"),
        *("360M", "405N", "410M", "430M", "444W", "460M", "466N", "470N", "480M", "560W", "770W"),
    )
)
"""Names with three digits that count 10 nm, from F200 on: James Webb's, and Hubble's NICMOS."""
_SPACE = re.compile(r"F(\d{3,4})(?:[A-Z]{1,2}\d?)?")
_NARROW = re.compile(r"(?:IA|IB|NB)(\d{3,4})")


def wavelength_nm(band: str) -> float | None:
    """Pivot wavelength of a band in nm, to a few percent, from its name; None where that does not tell.

    `F160W`, `candels_F160W`, `JWST-F277W`, `F129`, `hsc_g`, `HSC-G`, `Ks`, `IRAC_ch1`, `VIS`, `NB921`.
    """
    words = [word for word in re.split(r"[^A-Za-z0-9]+", band) if word]
    if not words:
        return None
    last, before = words[-1], {word.lower() for word in words[:-1]}
    space = _SPACE.fullmatch(last.upper())
    if space is not None:
        name, number = last.upper(), int(space[1])
        if name in _PIVOTS:
            return float(_PIVOTS[name])
        romans = name == f"F{space[1]}"  # without a letter: all count 10 nm
        ten = number < 200 or number >= 1000 or name in _JWST or romans
        return 10.0 * number if ten else float(number)
    narrow = _NARROW.fullmatch(last.upper())
    if narrow is not None:
        return float(narrow[1])
    if last not in _LETTERS and re.fullmatch(r"[A-Za-z]\d", last):
        last = last[0]  # HSC-I2, Subaru's second filter of that name
    own = next((table for name, table in _OWN.items() if name.lower() in before), {})
    if last in own:
        return float(own[last])
    if before & _SLOAN and last.lower() in _LETTERS:
        last = last.lower()
    for name in (last, last.lower(), last.upper(), last.capitalize()):
        if name in _LETTERS:
            return float(_LETTERS[name])
    return None


def from_blue_to_red(bands: list[str] | tuple[str, ...]) -> list[int]:
    """Numbers of the bands by wavelength; in the order given where a name does not tell."""
    wavelengths = [wavelength_nm(band) for band in bands]
    if any(nm is None for nm in wavelengths):
        return list(range(len(bands)))
    return sorted(range(len(bands)), key=lambda i: (wavelengths[i], i))
