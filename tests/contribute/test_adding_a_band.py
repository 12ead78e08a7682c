"""A band: a file of its curve, named by a recipe or laid beside those of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mockforge.photometry.fluxes import sed_fluxes
from mockforge.recipe.read import load
from tests.builders.package_copy import package_copy

CURVE = "# Angstrom\n5980 0\n6000 0.2\n6500 0.9\n7000 0.5\n7020 0\n"
RECIPE = """\
name: own_band
seed: 1
samples: 2
shard_size: 2
stages:
  - sersic_sed: {bands: [F606W, BAND], stamp: 24, pixel_scale_arcsec: 0.2, z_in: 0.3, z_out: 0.9,
                 redshift_grid: null, spectra: {templates: {names: [Sbc], steps: 1}},
                 population: constant, bulge: null, knots: null, asymmetry: null}
save: {input: float32}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "own_band.yaml"
    path.write_text(RECIPE.replace("BAND", f"{{ours: {tmp_path}/ours.dat}}"))
    return path


def test_a_recipe_names_its_file(recipe: Path) -> None:
    (recipe.parent / "ours.dat").write_text(CURVE)
    loaded = load(recipe)
    stage = loaded.stages[0].stage
    assert stage.bands == ("F606W", "ours") and any(key.endswith("ours.dat") for key in loaded.weights)
    z = np.array([0.3])
    flux = sed_fluxes(stage.spectra, stage.bands, z, z, np.array([0]))[0]
    assert flux[1] == pytest.approx(flux[0], rel=0.5) and flux[1] != flux[0]


def test_one_file_beside_those_of_the_package_is_a_band_by_name(recipe: Path) -> None:
    package = package_copy(recipe.parent / "site")
    (package / "photometry" / "data" / "filters" / "ours.dat").write_text(CURVE)
    recipe.write_text(RECIPE.replace("BAND", "Ours"))  # upper and lower case are one
    told = "\n".join(
        (
            "from mockforge.photometry.bands import curve, origin, pivot_um",
            "from mockforge.recipe.read import load",
            f"(entry,) = load({str(recipe)!r}).stages",
            "print(*entry.stage.bands, len(curve('ours')[0]), round(pivot_um('ours'), 2), origin('ours'))",
        )
    )
    run = subprocess.run(
        [sys.executable, "-c", told], cwd=recipe.parent, env={"PYTHONPATH": str(package.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split(maxsplit=4) == ["F606W", "ours", "5", "0.65", "ours: ours.dat of mockforge\n"]
