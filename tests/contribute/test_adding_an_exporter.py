"""An exporter is added from outside by one file: a function, and an entry point that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from tests.builders import tiny_datasets

EXPORTER = '''
"""A dataset as one .npz for each split."""

import numpy as np


def write_npz(reader, folder):
    """Write SPLIT.npz with every array of the split, samples along the first axis."""
    for split in reader.manifest.splits:
        rows = [reader.read(int(row)) for row in np.flatnonzero(reader.split == split)]
        arrays = {name: np.stack([row[name] for row in rows]) for name in reader.arrays}
        np.savez(folder / f"{split}.npz", **arrays)
'''


def test_an_exporter_is_one_file(installed: Callable[..., None], tmp_path: Path) -> None:
    installed("as_npz", {"mockforge.exporters": {"npz": "as_npz:write_npz"}}, EXPORTER)
    dataset = tiny_datasets.publish(tmp_path / "blobs", tiny_datasets.blobs, tiny_datasets.SAVE)
    out = tmp_path / "npz"
    done = CliRunner().invoke(app, ["export", str(dataset), "--to", "npz", "--out", str(out)])
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    images = np.load(out / "test.npz")["image"]
    np.testing.assert_array_equal(images, [s["image"].numpy() for s in mockforge.load(dataset, "test")])
    assert sorted(path.name for path in out.iterdir()) == ["test.npz", "train.npz", "val.npz"]


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(5)"])
def test_one_that_fails_half_way_leaves_nothing_and_names_its_package(
    installed: Callable[..., None], segmentation: Path, tmp_path: Path, fault: str
) -> None:
    name = f"half_way{len(fault)}"
    text = f"def write(reader, folder):\n    (folder / 'a.txt').write_text('a')\n    {fault}\n"
    installed(name, {"mockforge.exporters": {"half": f"{name}:write"}}, text)
    out = tmp_path / "out" / "half"
    done = CliRunner().invoke(app, ["export", str(segmentation), "--to", "half", "--out", str(out)])
    assert done.exit_code == 1 and list(out.parent.iterdir()) == []
    assert f"the export format 'half' of the package {name} 1.0 failed: " in " ".join(done.output.split())
