"""The card: numbers from the report, what was written by hand kept, a picture within its bytes."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from mockforge.errors import InputError
from mockforge.evaluate.report.plots import picture
from mockforge.evaluate.report.report import Report, Section, Verdict
from mockforge.evaluate.sky.card import MOST_BYTES, with_kept, within, write_card
from mockforge.evaluate.sky.sections import SIDE_BY_SIDE
from mockforge.rng import Stream
from mockforge.sgan.card import model_card
from mockforge.sgan.lattice.config import Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.model import LatticeModel

WHITE = ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))
MODEL = LatticeModel(
    "tiny", Smith2019(z_channels=8, widths=(8, 8, 8, 8)), ("g", "r"),
    Instrument(rms_njy=(4.0, 5.0), psf_fwhm_pix=(2.0, 2.0), noise_kernel=(WHITE, WHITE)),
    Scaling((-10.0, -10.0), (500.0, 600.0)),
)  # fmt: skip


def noisy(height: int, gap: int = 8) -> bytes:
    """Two halves of colour noise, which no PNG makes much smaller, on either side of white."""
    rng = Stream(3, ("noisy",)).numpy()
    one, two = rng.integers(0, 256, (2, height, height, 3), dtype=np.uint8)
    return picture(np.concatenate([one, np.full((height, gap, 3), 255, np.uint8), two], axis=1))


def report(shown: bytes = b"") -> Report:
    rows = [
        {"goal": "median |difference|", "band": "g", "found": 0.01234, "floor": float("nan"), "met": True}
    ]
    verdicts = [
        Verdict("rms ratio, |ln|, g", False, "0.1 against at most 0.05"),
        Verdict("KS D, g", True, ""),
    ]
    pictures = {SIDE_BY_SIDE: shown} if shown else {}
    out = Report("t", [Section("Side by side", pictures=pictures), Section("Goals", rows=rows),
                       Section("Noise", verdicts=verdicts)])  # fmt: skip
    out.facts = {"reference": ["g.fits", "r.fits"], "reference rows": (5, 9), "generated": "model tiny",
                 "noise": "the model's own"}  # fmt: skip
    return out


def test_the_cards_numbers_are_the_reports():
    card = model_card(MODEL, json.loads(report().as_json()))
    assert "| goal | band | found | met |" in card  # a column without anything is left out
    assert "| median \\|difference\\| | g | 0.0123 | yes |" in card
    assert "| Noise | 2 | 1 | rms ratio, \\|ln\\|, g (0.1 against at most 0.05) |" in card
    assert "rows 5 to 9 of g.fits, r.fits" in card and "![" not in card
    assert card.index("## Training") < card.index("## Against the real field") < card.index("## Limits")
    assert "## Against the real field" not in model_card(MODEL)


def test_files_are_written_and_what_was_added_by_hand_is_kept(tmp_path):
    (tmp_path / "tiny.md").write_text(
        "# tiny\n\nancient\n\n## Limits\n\n- ancient\n\n## By eye\n\nRods.\n\n### Why\n\nWho knows.\n"
    )
    for _ in range(2):  # a second time nothing is doubled
        paths = write_card(report(noisy(64)), MODEL, tmp_path)
    card = (tmp_path / "tiny.md").read_text()
    assert (
        sorted(p.name for p in paths) == ["tiny.md", "tiny.png"] == sorted(p.name for p in tmp_path.iterdir())
    )
    assert card.endswith("## By eye\n\nRods.\n\n### Why\n\nWho knows.\n") and card.count("## By eye") == 1
    assert "ancient" not in card and card.count("## Limits") == 1 and "](tiny.png)" in card


def test_without_a_picture_none_is_written(tmp_path):
    assert [p.name for p in write_card(report(), MODEL, tmp_path / "new")] == ["tiny.md"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_card(report(), MODEL, tmp_path / "file")


def test_a_large_picture_is_cut_about_the_middle_of_its_halves():
    whole = noisy(640)
    small = within(whole, MOST_BYTES)
    assert len(whole) > MOST_BYTES >= len(small)
    shape = Image.open(io.BytesIO(small)).size
    assert shape[0] == 2 * shape[1] + 8 and 320 <= shape[1] < 640
    assert Image.open(io.BytesIO(within(noisy(64), MOST_BYTES))).size == (136, 64)
    with pytest.raises(ValueError, match="at most 10 bytes"):
        within(noisy(64), 10)


def test_sections_of_one_title_are_those_of_the_new_card():
    assert (
        with_kept("# a\n\n## x\n\n1\n", "# a\n\n## x\n\n2\n\n## y\n\n3\n")
        == "# a\n\n## x\n\n1\n\n## y\n\n3\n"
    )
