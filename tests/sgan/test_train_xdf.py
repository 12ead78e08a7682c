"""The documented way to the XDF mosaics, against a file server on this machine."""

import hashlib
import shutil
import subprocess
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.recipe.bundled import bundled_recipes
from mockforge.recipe.read import load_training
from mockforge.rng import Stream
from mockforge.sgan.lattice.prepare import prepare
from mockforge.sgan.training_field import read_training_field

PATH = "pub/hlsp/xdf"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        return


@pytest.fixture
def archive(tmp_path):
    """A small stand-in for the archive: three mosaics of noise under their real names."""
    folder = tmp_path / "archive" / PATH
    recipe, _ = load_training(bundled_recipes()["train_xdf"], [])
    for i, name in enumerate(recipe.field.files):
        noise = Stream(1, (i,)).numpy().normal(0, 1e-3, (1, 240, 240)).astype(np.float32)
        Field(noise, ("counts",), unit="native", zeropoint_ab=None).write(folder / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path / "archive")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch_line() -> str:
    header = Path(bundled_recipes()["train_xdf"]).read_text().splitlines()
    return next(line.removeprefix("# Fetch:").strip() for line in header if line.startswith("# Fetch:"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documented command uses curl")
def test_the_documented_command_fetches_what_the_recipe_reads(archive, tmp_path):
    line = fetch_line()
    assert "https://archive.stsci.edu/" in line
    folder = tmp_path / "data"
    folder.mkdir()
    local = line.replace("https://archive.stsci.edu", archive)
    subprocess.run(["bash", "-c", local], cwd=folder, check=True, capture_output=True, timeout=60)
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.fits"))]
    recipe, _ = load_training(
        bundled_recipes()["train_xdf"],
        [f"field.folder={folder}", f"field.sha256=[{', '.join(digests)}]", "field.cut.rows=[100, 230]",
         "field.cut.columns=[100, 230]", "field.cut.background_mesh=32"],
    )  # fmt: skip
    field = read_training_field(recipe.field)
    assert field.bands == ("F606W", "F775W", "F814W")
    expected = 1e-3 * 10 ** (0.4 * (31.4 - 26.51))
    assert field.image[0].std() == pytest.approx(expected, rel=0.02)
    ready = prepare(field.image, field.mask, recipe.field.cut)
    assert ready.image.shape == (3, 130, 130)
    assert not ready.mask.any()  # the turned canvas's corners lie outside the cut
    wrong = replace(recipe.field, sha256=("0" * 64, *digests[1:]))
    with pytest.raises(InputError, match="download it again"):
        read_training_field(wrong)
