"""The log of a run: a CSV that survives a resume, TensorBoard where it is installed, pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.picture import save_png


class Log:
    """Writes `log.csv`, `previews/*.png` and TensorBoard events below `folder`.

    Rows at or after `step` are dropped when a run resumes from a checkpoint of that step, so
    that the file reads as that of an uninterrupted run.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.folder = folder
        self.path = folder / "log.csv"
        self.columns = self._rewind(step)
        self.board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # a bare training machine: the CSV holds the same numbers
            return
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        row = {"step": step, **values}
        if not self.columns:
            self.columns = list(row)
            self.path.write_text(",".join(self.columns) + "\n")
        with open(self.path, "a", newline="") as stream:
            csv.DictWriter(stream, self.columns, lineterminator="\n").writerow(
                {k: repr(v) for k, v in row.items()}
            )
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def picture(self, step: int, rgb: np.ndarray) -> None:
        """Keep a preview, uint8 (y, x, 3)."""
        (self.folder / "previews").mkdir(exist_ok=True)
        save_png(self.folder / "previews" / f"{step:07d}.png", rgb)
        if self.board is not None:
            self.board.add_image("preview", rgb, step, dataformats="HWC")

    def close(self) -> None:
        """Flush what TensorBoard holds back."""
        if self.board is not None:
            self.board.close()

    def _rewind(self, step: int) -> list[str]:
        if step == 0 or not self.path.exists():
            self.path.unlink(missing_ok=True)
            return []
        lines = self.path.read_text().splitlines()
        kept = [line for line in lines[1:] if int(line.split(",", 1)[0]) <= step]
        self.path.write_text("\n".join([lines[0], *kept]) + "\n")
        return lines[0].split(",")
