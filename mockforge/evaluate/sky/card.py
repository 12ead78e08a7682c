"""The card of a model with what its evaluation found: NAME.md, and NAME.png beside it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Report
from mockforge.evaluate.sky.sections import SIDE_BY_SIDE
from mockforge.files import replace_file
from mockforge.sgan.card import model_card
from mockforge.sgan.model import SganModel

MOST_BYTES = 700_000
"""Of NAME.png: it travels with the package."""
_STEP = 32
"""Pixels by which a picture that is too large is cut down, on each side of either half."""


def write_card(report: Report, model: SganModel, folder: Path) -> list[Path]:
    """Write the card `NAME.md` and, where the report has pictures, `NAME.png` into `folder`.

    All numbers are the model's and the report's. Sections of an older NAME.md there that the card
    itself does not have, written by hand, are kept at its end. Each file appears whole. Raises
    InputError where the folder cannot be written.
    """
    text, picture = folder / f"{model.name}.md", folder / f"{model.name}.png"
    shown = next(
        (png for s in report.sections for name, png in s.pictures.items() if name == SIDE_BY_SIDE), None
    )
    summary = json.loads(report.as_json()) | ({"picture": picture.name} if shown else {})
    card = model_card(model, summary)
    files = {text: card} if shown is None else {picture: within(shown, MOST_BYTES), text: card}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if text.exists():
            files[text] = with_kept(card, text.read_text(encoding="utf-8"))
        for path, content in files.items():
            replace_file(path, content)
    except OSError as error:
        raise InputError(f"{folder}: the card cannot be written ({error.strerror or error})") from error
    return list(files)


def with_kept(card: str, before: str) -> str:
    """`card` with the sections (`## Title`) of the card `before` that it lacks."""
    titles = {title for title, _ in _sections(card)}
    kept = [text for title, text in _sections(before) if title not in titles]
    return "\n".join([card.rstrip("\n") + "\n", *(text.rstrip("\n") + "\n" for text in kept)])


def within(png: bytes, most: int) -> bytes:
    """Return a picture of two halves, in 256 colours, each half cut until it has at most `most` bytes.

    Raises ValueError where even the smallest cut is larger.
    """
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    height, width = pixels.shape[:2]
    gap = width - 2 * height
    for side in range(height, 0, -_STEP):
        top = (height - side) // 2
        halves = [pixels[top : top + side, x + top : x + top + side] for x in (0, height + gap)]
        white = np.full((side, gap, 3), 255, dtype=np.uint8)
        joined = Image.fromarray(np.concatenate([halves[0], white, halves[1]], axis=1))
        out = io.BytesIO()
        joined.quantize(256, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
        if out.tell() <= most:
            return out.getvalue()
    raise ValueError(f"no picture has at most {most} bytes")


def _sections(card: str) -> list[tuple[str, str]]:
    """Title and text of the sections of a card; what stands before the first is left out."""
    parts = re.split(r"(?m)^(?=## )", card)
    return [(part.split("\n", 1)[0][3:].strip(), part) for part in parts if part.startswith("## ")]
