"""The log of a run: a CSV that survives a resume, previews, TensorBoard.

Previews take Pillow; a machine with torch, numpy and safetensors alone trains with the CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import how_to, installed
from mockforge.field.picture import save_png
from mockforge.files import replace_file, stamp


def left_out() -> Iterator[str]:
    """Say what a run's log goes without on this machine, a line each, and what to type for it."""
    if not installed("tensorboard"):
        yield f"TensorBoard's log is not written, log.csv is; for both type: {how_to('tensorboard')}"
    if not installed("PIL"):
        yield "previews are not written; for them type: pip install pillow"


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
        if set(self.columns) != set(row):
            raise InputError(
                f"{self.path}: has the columns {', '.join(self.columns)}, the run logs {', '.join(row)}; "
                "move it away to continue with a new one"
            )
        with open(self.path, "a", newline="") as stream:
            csv.DictWriter(stream, self.columns, lineterminator="\n").writerow(
                {k: repr(v) for k, v in row.items()}
            )
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def picture(self, step: int, rgb: np.ndarray) -> None:
        """Keep a preview, uint8 (y, x, 3)."""
        if not installed("PIL"):
            return
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
        rows = self._rows()
        kept = [row for row in rows[1:] if int(row[0]) <= step]
        replace_file(self.path, "".join(",".join(row) + "\n" for row in [rows[0], *kept]).encode())
        return rows[0]

    def _rows(self) -> list[list[str]]:
        """Every row, the names of the columns first; InputError where the file is no log of a run."""
        again = "move it away to continue with a new one"
        stamp(self.path)  # no pipe or device: reading one would not end
        try:
            rows = [line.split(",") for line in self.path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); {again}") from error
        if not rows or rows[0][0] != "step":
            raise InputError(f"{self.path}:1: is no log of a run, its first column should be `step`; {again}")
        if len(rows) > 1 and len(rows[-1]) < len(rows[0]):
            rows.pop()  # cut short where the run was killed
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(rows[0]) or not row[0].isdecimal():
                raise InputError(f"{self.path}:{number}: is no row of the log; {again}")
        return rows
