"""Options that exclude each other, or would be ignored, are sentences; every help has an example."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from mockforge import registry
from mockforge.cli import app
from mockforge.recipe.bundled import bundled_recipes, first_comment

COMMANDS = sorted(registry.COMMANDS.rows)


def run(line: str):
    return CliRunner().invoke(app, line.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command):
    text = run(f"{command} --help").output
    assert len(re.findall(rf"^ +mockforge {command} ?", text, flags=re.M)) >= 1


def test_the_commands_are_told_in_whole_words():
    text = run("--help").output
    assert "..." not in text.split("Commands:")[1] and "mockforge build" in text


@pytest.mark.parametrize("name", sorted(bundled_recipes()))
def test_a_recipe_is_told_in_a_whole_sentence(name):
    text = first_comment(bundled_recipes()[name])
    assert text.endswith(".") and text[0].isupper() and len(text.split()) > 6


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("generate --scene deblend --model kids-viking -o x", "--scene and --model exclude each other"),
        ("generate --scene scene_xdf_like --device cpu -o x", "--device"),
        ("generate --scene scene_xdf_like --depth 26 --member 0 -o x", "--depth, --member"),
        ("label a.fits --threshold 3 --set threshold=4 -o x", "--threshold gives `threshold` too"),
        ("label a.fits --set min_pixels=3 --set min_pixels=4 -o x", "another --set gives `min_pixels` too"),
        ("degrade a.fits --to hsc-wide --psf p.fits --psf-fwhm 0.1 -o x.fits", "--psf-fwhm: "),
        ("degrade a.fits --to hsc-wide --psf-scale 0.1 -o x.fits", "--psf-scale: "),
        ("degrade a.fits --to hsc-wide --set to=lsst-10yr -o x.fits", "--to gives `to` too"),
        ("degrade a.fits --to hsc-wide --truth --set input=image -o x.fits", "--truth gives `input` too"),
        ("degrade a.fits --to hsc-wide --target-bands hsc_r --set bands=[hsc_g] -o x.fits", "--target-bands"),
        ("recover a.fits --seed 3 -o x.fits", "--seed"),
        ("recover --demo d.png --zeropoint 25", "--zeropoint"),
        ("recover --demo d.png -o x.fits --rms 3", "--out, --rms"),
        ("redshift a.fits --z-in 0.5 --z-out 1 --split val -o x.fits", "--split"),
        ("redshift data --row 3 --bands g,r -o x.fits", "--bands"),
        ("verify data --workers 2", "--workers"),
        ("recipes segmentation --schema", "--schema"),
        ("recipes --training", "--schema"),
        ("evaluate --model m --dataset d --rows 0:10", "--rows"),
        ("evaluate --model m --dataset d --quick", "--quick"),
        ("evaluate --model m --dataset d --zeropoint 25", "--zeropoint"),
        ("evaluate --model m --reference g.fits --split val", "--split"),
        ("evaluate --model m --field f.fits --reference g.fits", "exclude each other"),
        ("evaluate --field f.fits --own-noise --reference g.fits", "--own-noise"),
        ("evaluate --field f.fits --device cpu --reference g.fits", "--device"),
    ],
)
def test_what_would_be_passed_over_is_a_sentence(line, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(line)
    assert found.exit_code == 2 and said in found.output, found.output
    assert not list(tmp_path.iterdir())
