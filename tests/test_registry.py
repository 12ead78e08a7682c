"""What the registry and the list of columns say of the stages is what the stages do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mockforge.batch import Batch, is_source
from mockforge.data.columns import meaning_of, unit_of
from mockforge.errors import InputError
from mockforge.label.catalogue import DESCRIPTIONS
from mockforge.registry import STAGES, TRAININGS
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples


@pytest.fixture(scope="module")
def detected() -> Batch:
    """Two tiles of one Gaussian each in noise, with their truth, after `detect`."""
    y, x = np.mgrid[:64, :64]
    truth = np.zeros((2, 2, 64, 64), dtype=np.float32)
    truth += 200 * np.exp(-0.5 * ((x - 30) ** 2 + (y - 33) ** 2) / 9).astype(np.float32)
    noise = Stream(3).numpy().normal(0, 3, truth.shape).astype(np.float32)
    batch = samples(2).with_arrays(image=truth + noise, truth=truth)
    return Detect()(batch.with_attributes(bands=("g", "r"), zeropoint_ab=31.4, unit="nJy"), Stream(1))


@pytest.fixture(scope="module")
def paired() -> Batch:
    return SersicSed(stamp=8, bands=("F606W", "F814W"))(samples(3), Stream(1))


@pytest.mark.parametrize("name", STAGES)
def test_sources_are_the_stages_that_read_nothing(name: str) -> None:
    kind = STAGES.load(name)
    stage = object.__new__(kind)  # whether a stage reads anything depends on no setting
    assert (not stage.reads()) == is_source(kind)


def test_tables_are_named_as_such(detected: Batch, paired: Batch) -> None:
    for stage, batch in ((Detect(), detected), (SersicSed(), paired)):
        assert set(batch.tables) == stage.tables()
        assert not set(batch.arrays) & stage.tables()


def test_an_unknown_stage_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown stage 'detekt'; did you mean 'detect'"):
        STAGES.load("detekt")


def test_an_installed_package_adds_a_name(installed: Callable[..., None]) -> None:
    assert "rings" not in STAGES
    installed("ringed", {"mockforge.stages": {"rings": "ringed:Rings"}}, "class Rings: pass\n")
    assert "rings" in STAGES and STAGES.names()[-1] == "rings"
    assert STAGES.load("rings").__name__ == "Rings"
    assert "rings" not in TRAININGS


@pytest.mark.parametrize("text", ["import a_module_nobody_has\n", "1 / 0\n", "class Other: pass\n"])
def test_a_package_that_cannot_be_imported_is_named(installed: Callable[..., None], text: str) -> None:
    name = f"broken_{len(text)}"
    installed(name, {"mockforge.stages": {"rings": f"{name}:Rings"}}, text)
    with pytest.raises(InputError, match=rf"stage 'rings' of the package {name} 1.0 cannot be imported"):
        STAGES.load("rings")
    assert STAGES.load("select").__name__ == "Select"


def test_a_package_whose_entry_points_are_unreadable_disturbs_no_other(
    installed: Callable[..., None],
) -> None:
    installed("garbled", {"mockforge.stages": {"rings": "garbled:Rings\nno entry point"}}, "")
    installed("ringed_too", {"mockforge.stages": {"ovals": "ringed_too:Ovals"}}, "class Ovals: pass\n")
    assert "rings" not in STAGES and STAGES.load("ovals").__name__ == "Ovals"


def test_a_name_taken_twice_is_neither(installed: Callable[..., None]) -> None:
    installed("taker", {"mockforge.stages": {"select": "taker:Select"}}, "class Select: pass\n")
    with pytest.raises(
        InputError,
        match=r"'select' is given by mockforge and by the package taker 1.0: uninstall the package",
    ):
        STAGES.load("select")
    assert STAGES.names().count("select") == 1


def test_units_of_the_catalogue_are_those_it_is_measured_in(detected: Batch) -> None:
    table = detected.tables["catalogue"]
    assert len(table["sample"]) == 2
    plain = {name: name.removesuffix("_g").removesuffix("_r") for name in table}
    described = {name: name if name in DESCRIPTIONS else plain[name] for name in table}
    assert set(described.values()) == set(DESCRIPTIONS)
    for name, column in described.items():
        unit = DESCRIPTIONS[column][0]
        assert unit_of(name) == ("nJy" if unit == "flux" else unit), name
        assert meaning_of(name), name


def test_every_column_of_a_galaxy_has_a_meaning(paired: Batch) -> None:
    unknown = {name for name in (*paired.tables["galaxy"], *paired.arrays) if not meaning_of(name)}
    assert unknown == set()
    units = {"r_e_kpc": "kpc", "r_e_in": "arcsec", "flux_out_F814W": "nJy", "position_angle": "deg", "n": ""}
    assert {name: unit_of(name) for name in units} == units
