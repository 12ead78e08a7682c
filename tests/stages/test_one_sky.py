"""One sky in several views: the same sources on every grid, with one set of labels."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.stages.one_sky import OneSky, SceneSources, View
from tests.builders.batches import samples
from tests.builders.tiny_forge import saved_forge

SHARD = Stream(5, ("shard", 0, "one_sky"))
PSF = Psf(gaussian=Gaussian(fwhm_arcsec=0.2))
SHARP = View(bands=("F606W", "F814W"), pixel_scale_arcsec=0.1, psf=PSF)
BROAD = View(survey="hsc-wide", bands=("hsc_r",), pixel_scale_arcsec=0.2)


@pytest.fixture(scope="module")
def stage() -> OneSky:
    return OneSky(
        scene=SceneSources(faintest=26.0, brightest=21.0, clustering=None),
        views={"sharp": SHARP, "broad": BROAD}, tile_arcsec=9.6,
    )  # fmt: skip


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> OneSky:
    path = saved_forge(tmp_path_factory.mktemp("model"))
    views = {"own": View(), "fine": View(bands=("r",), pixel_scale_arcsec=0.1, seeing=0.4, depth=27.0)}
    return OneSky(model=str(path), views=views, tile_arcsec=9.6)


def check_places(made, first: str, second: str, scales: tuple[float, float]) -> None:
    """A source lies at one place of the sky, and its label there in both views, if it is seen in both."""
    table = made.tables["objects"]
    for axis in ("x", "y"):
        one, two = ((table[f"{axis}_{n}"] + 0.5) * s for n, s in zip((first, second), scales, strict=True))
        assert np.allclose(one, two, atol=1e-9)
    maps = {name: made.arrays[f"instances_visible_{name}"] for name in (first, second)}
    ratio = round(scales[0] / scales[1], 6)
    fine, coarse = (maps[second], maps[first]) if ratio > 1 else (maps[first], maps[second])
    k = round(max(ratio, 1 / ratio))
    middle = fine[:, k // 2 :: k, k // 2 :: k][:, : coarse.shape[1], : coarse.shape[2]]
    both = (middle > 0) & (coarse[:, : middle.shape[1], : middle.shape[2]] > 0)
    assert both.sum() > 20
    assert (middle[both] == coarse[:, : middle.shape[1], : middle.shape[2]][both]).mean() > 0.85


def test_every_view_has_its_own_pixels_and_one_set_of_labels(stage):
    made = stage(samples(2), SHARD)
    assert set(made.arrays) | set(made.tables) == stage.writes()
    assert made.arrays["image_sharp"].shape == (2, 2, 96, 96)
    assert made.arrays["image_broad"].shape == (2, 1, 48, 48)
    check_places(made, "sharp", "broad", (0.1, 0.2))
    noise = made.arrays["image_broad"] - made.arrays["truth_broad"]
    assert noise.std() == pytest.approx(made.arrays["sky_rms_broad"].mean(), rel=0.1)
    assert np.array_equal(made.arrays["image_sharp"], made.arrays["truth_sharp"])
    assert made.attributes["bands_broad"] == ("hsc_r",) and made.attributes["views"] == ("sharp", "broad")


def test_fluxes_are_those_of_the_bands_and_shares_those_of_the_view(stage):
    made = stage(samples(1), SHARD)
    table = made.tables["objects"]
    total = (table["true_flux_hsc_r"] * table["fraction_broad"]).sum()
    assert made.arrays["truth_broad"].sum() == pytest.approx(total, rel=0.02)
    assert (table["label"] == np.arange(1, len(table["label"]) + 1)).all()


def test_a_learned_sky_is_seen_on_any_grid(learned):
    made = learned(samples(2), SHARD)
    assert made.arrays["image_own"].shape == (2, 2, 48, 48)
    assert made.arrays["image_fine"].shape == (2, 1, 96, 96)
    check_places(made, "own", "fine", (0.2, 0.1))
    coarse = made.arrays["truth_own"][:, 1]
    binned = made.arrays["truth_fine"][:, 0].reshape(2, 48, 2, 48, 2).sum(axis=(2, 4))
    assert binned.sum() == pytest.approx(coarse.sum(), rel=0.05)
    assert made.attributes["psf_fwhm_arcsec_fine"] == pytest.approx((0.4,), rel=0.03)


@pytest.mark.parametrize("kind", ["stage", "learned"])
def test_a_sample_is_a_function_of_its_draw(kind, request):
    made = request.getfixturevalue(kind)
    whole, part = (made(samples(3).keep(np.isin(np.arange(3), which)), SHARD) for which in ([0, 1, 2], [2]))
    for name, values in part.arrays.items():
        assert np.array_equal(values[0], whole.arrays[name][2]), name


def test_stamps_are_centred_on_a_galaxy(learned):
    from dataclasses import replace

    made = replace(learned, centred=True)(samples(3), SHARD)
    table = made.tables["objects"]
    for sample in range(3):
        own = table["sample"] == sample
        middle = np.hypot(table["x_own"][own] - 23.5, table["y_own"][own] - 23.5).min()
        assert middle < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": {"a": SHARP}}, "two telescopes or more"),
        ({"views": {"a": SHARP, "b": View()}}, "give a survey, or bands and pixel_scale_arcsec and psf"),
        ({"views": {"a": SHARP, "b": View(survey="hsc-wide", depth=25.0)}}, "has psf and noise"),
        ({"views": {"a": SHARP, "b": BROAD}, "tile_arcsec": 0.5}, "8 to 8192 are possible"),
        ({"views": {"a": SHARP, "b/": BROAD}}, "name of a view"),
        ({"scene": None, "views": {"a": SHARP, "b": BROAD}}, "one of scene"),
    ],
)
def test_what_no_telescope_has_is_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        OneSky(**{"scene": SceneSources(), **change})


def test_a_learned_sky_has_its_own_bands_alone(learned):
    with pytest.raises(ValueError, match="has g, r, found 'K'"):
        OneSky(model=learned.model, views={"a": View(), "b": View(bands=("K",))})
    with pytest.raises((InputError, ValueError), match="seeing and depth"):
        OneSky(model=learned.model, views={"a": View(), "b": View(psf=PSF)})
