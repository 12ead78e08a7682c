"""What a recipe may ask for in spectra."""

from __future__ import annotations

import pydantic
import pytest

from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.populations.composite import Populations, sfh_name
from mockforge.photometry.populations.sfh import Burst, Constant, Delayed, DoublePowerLaw, Sfh
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates


def read(given: dict) -> Spectra:
    return pydantic.TypeAdapter(Spectra).validate_python(given)


def test_without_any_the_default_populations():
    assert Spectra().chosen == Populations()
    assert len(spectrum_set(Spectra()).names) == 48
    assert read({"templates": {"steps": 1}}).chosen == Templates(steps=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"templates": {}, "populations": {}}, "exactly one of templates, files, populations"),
        ({"templates": {"names": ["E", "E"]}}, "different values"),
        ({"templates": {"names": ["Sd"]}}, "Scd"),
        ({"populations": {"sfh": [{}]}}, "exactly one of double_power_law"),
        ({"populations": {"sfh": [{"burst": {}, "constant": {}}]}}, "found constant, burst"),
        ({"populations": {"sfh": [{"delayed": {"tau_gyr": 0}}]}}, "> 0"),
        ({"populations": {"metallicity": [3.0]}}, "<= 2.5"),
        ({"populations": {"a_v": []}}, "one or more"),
        ({"populations": {"a_v": [0.001 * k for k in range(300)]}}, "makes 4800 spectra"),
        ({"files": {"files": []}}, "one or more"),
        ({"files": {"files": ["a.txt"], "colour": 1}}, "colour"),
    ],
)
def test_what_cannot_hold_is_refused(given, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        read(given)


def test_names_are_short():
    names = {
        "dpl_a3_b1_t1": Sfh(double_power_law=DoublePowerLaw(alpha=3.0, beta=1.0, tau_gyr=1.0)),
        "delayed_t0.5": Sfh(delayed=Delayed(tau_gyr=0.5)),
        "const": Sfh(constant=Constant()),
        "const_t2": Sfh(constant=Constant(duration_gyr=2.0)),
        "burst": Sfh(burst=Burst()),
        "burst_t1.5": Sfh(burst=Burst(time_gyr=1.5)),
    }
    assert {sfh_name(sfh): sfh for sfh in names.values()} == names
    found = spectrum_set(Spectra()).names
    assert found[0] == "dpl_a1_b0.5_t1_Z0.1_Av0"
    assert len(set(found)) == 48 and max(len(name.encode()) for name in found) <= 60
