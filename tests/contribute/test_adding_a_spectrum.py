"""A spectrum: a file that a recipe names; and a new kind of spectra, by one file and one field."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from mockforge.photometry.fluxes import sed_fluxes
from mockforge.recipe.read import load
from tests.builders.package_copy import package_copy

RECIPE = """\
name: own_spectrum
seed: 1
samples: 2
shard_size: 2
stages:
  - sersic_sed: {bands: [F606W, F814W], stamp: 24, pixel_scale_arcsec: 0.2, z_in: 0.3, z_out: 0.9,
                 redshift_grid: null, spectra: SPECTRA, population: constant, bulge: null, knots: null,
                 asymmetry: null}
save: {input: float32}
"""
KIND = '''\
"""Spectra of black bodies."""

import numpy as np

from mockforge.config import Positive, config
from mockforge.photometry.spectrum_set import SpectrumSet, fixed_set


@config
class BlackBodies:
    """Planck's law, equal in luminosity."""

    temperature_k: tuple[Positive, ...] = (6000.0,)
    """One spectrum each."""

    def spectra(self, cosmology: str) -> SpectrumSet:
        wave, kelvin = np.geomspace(500.0, 5e4, 2000), np.array(self.temperature_k)
        light = wave**-5 / np.expm1(1.4388e8 / (wave * kelvin[:, None]))
        light *= 1e10 / np.trapezoid(light, wave, axis=1)[:, None]
        return fixed_set(tuple(f"{t:g}K" for t in kelvin), wave, light, {"temperature_k": kelvin})
'''


def test_a_recipe_names_its_file(tmp_path: Path) -> None:
    wave = np.linspace(1000, 20000, 400)
    np.savetxt(tmp_path / "flat.txt", np.stack([wave, wave**-2.0], axis=1), header="Angstrom")  # flat in f_nu
    recipe = tmp_path / "own.yaml"
    recipe.write_text(RECIPE.replace("SPECTRA", f"{{files: {{files: [{tmp_path}/flat.txt]}}}}"))
    loaded = load(recipe)
    stage, z = loaded.stages[0].stage, np.array([0.3])
    assert any(key.endswith("flat.txt") for key in loaded.weights)
    flux = sed_fluxes(stage.spectra, stage.bands, z, z, np.array([0]))[0]
    np.testing.assert_allclose(flux[0], flux[1], rtol=1e-3)


def test_a_new_kind_is_one_file_and_one_field(tmp_path: Path) -> None:
    package = package_copy(tmp_path / "site")
    (package / "photometry" / "spectra" / "black_bodies.py").write_text(KIND)
    path = package / "photometry" / "spectra" / "spec.py"
    path.write_text(
        path.read_text()
        .replace(
            "from mockforge.photometry.spectra.files",
            "from mockforge.photometry.spectra.black_bodies import BlackBodies\n"
            "from mockforge.photometry.spectra.files",
        )
        .replace(
            "    files: SpectrumFiles | None = None\n",
            "    black_bodies: BlackBodies | None = None\n    files: SpectrumFiles | None = None\n",
        )
    )
    recipe = tmp_path / "own.yaml"
    recipe.write_text(RECIPE.replace("SPECTRA", "{black_bodies: {temperature_k: [4000, 9000]}}"))
    told = "\n".join(
        (
            "import numpy as np",
            "from mockforge.photometry.fluxes import sed_fluxes, spectrum_set",
            "from mockforge.recipe.read import load",
            f"stage = load({str(recipe)!r}).stages[0].stage",
            "kinds, z = spectrum_set(stage.spectra), np.array([0.3, 0.3])",
            "flux = sed_fluxes(stage.spectra, stage.bands, z, z, np.arange(2))",
            "print(*kinds.names, *kinds.parameters['temperature_k'], *(flux[:, 0] / flux[:, 1] < 0.8))",
        )
    )
    run = subprocess.run(
        [sys.executable, "-c", told], cwd=tmp_path, env={"PYTHONPATH": str(package.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["4000K", "9000K", "4000.0", "9000.0", "True", "False"]
