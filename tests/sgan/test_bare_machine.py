"""A training machine needs torch, numpy and safetensors alone."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
missing = (
    "astropy galsim scipy pydantic pydantic_core ruamel sep skimage h5py typer rich PIL torchvision "
    "tensorboard matplotlib statmorph"
)
for name in missing.split():
    sys.modules[name] = None  # importing it now raises ImportError
import numpy as np
from pathlib import Path
from mockforge.sgan.lattice.config import CriticChoice, CropSizes, GeneratorChoice, PackedCritic, Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.prepare import Prepared
from mockforge.sgan.training_field import TrainingField
from mockforge.sgan.lattice.training import TrainLattice, make_task
from mockforge.sgan.paint.sky import Sky
from mockforge.train.config import TrainConfig
from mockforge.train.loop import fit

recipe = TrainLattice(
    name="bare", field=TrainingField(files=()),
    network=GeneratorChoice(smith2019=Smith2019(z_channels=4, widths=(8, 8, 8, 8))),
    critic=CriticChoice(packed=PackedCritic(widths=(8,))), crops=CropSizes(sizes=(32,), batch=2),
)
noise = np.random.default_rng(1).normal(0, 5, (1, 64, 64)).astype(np.float32)
instrument = Instrument(rms_njy=(5.0,), psf_fwhm_pix=(3.0,), noise_kernel=(((1.0,),),))
ready = Prepared(noise, np.zeros((64, 64), bool), instrument, (3.0,), ((-20.0, 20.0),))
folder = Path(sys.argv[1])
fit(make_task(recipe, ready, ("r",), None), TrainConfig(steps=2, device="cpu", preview_steps=0), 1, folder)
assert not (folder / "tensorboard").exists() and (folder / "log.csv").read_text().startswith("step,")
print(Sky(folder, 1).pixels(0, 16, 0, 16)[0].shape)
"""


def test_training_and_painting_need_neither_astropy_nor_pydantic(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "(1, 16, 16)", done.stderr


@pytest.mark.gpu
def test_a_sky_on_a_gpu_is_the_sky_on_the_cpu_to_float_precision(tmp_path):
    import numpy as np
    import torch

    from mockforge.sgan.paint.sky import Sky

    assert torch.cuda.is_available()
    one, two = (Sky("kids-viking", 1, device=d)[0:256, 0:256].image for d in ("cpu", "cuda"))
    assert np.abs(one - two).max() < 1e-3 * np.abs(one).max()
