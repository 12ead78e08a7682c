"""Counterfactuals of a scene: one object other, all other pixels the same bits, and it is what was asked."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene

PSF = Psf(gaussian=Gaussian(fwhm_arcsec=0.12))
MODEL = SceneModel(bands=("F606W", "F814W"), psf=PSF, faintest=26.5, brightest=21.0)
NOISY = replace(MODEL, noise=Noise(rms_njy=0.2, electrons_per_njy=3.0))
WINDOW = (-30, 226, 20, 276)


@pytest.fixture(scope="module")
def scene():
    return Scene(NOISY, seed=4)


def one(scene: Scene, star: bool = False) -> tuple[str, int]:
    """Return the id and the row of a bright object in the middle."""
    t = scene.objects(*WINDOW)
    inner = (np.abs(t["x"] - 148) < 100) & (np.abs(t["y"] - 98) < 100) & (t["star"] == star)
    k = int(np.flatnonzero(inner)[np.argmin(t["magnitude"][inner])])
    return str(t["id"][k]), k


def field(scene: Scene):
    y0, y1, x0, x1 = WINDOW
    return scene[y0:y1, x0:x1]


def light(scene: Scene, name: str) -> np.ndarray:
    """The noiseless image of one object."""
    return field(scene).truth.astype(np.float64) - field(scene.without(name)).truth


def moments(image: np.ndarray) -> tuple[float, float, float, float]:
    """Flux, area and shape (chi1, chi2) of an image by its second moments."""
    y, x = np.indices(image.shape) - image.shape[0] / 2
    x, y = x - (image * x).sum() / image.sum(), y - (image * y).sum() / image.sum()
    xx, yy, xy = ((image * v).sum() / image.sum() for v in (x * x, y * y, x * y))
    return float(image.sum()), float(np.sqrt(xx * yy - xy**2)), (xx - yy) / (xx + yy), 2 * xy / (xx + yy)


def test_every_pixel_without_light_of_a_removed_object_keeps_its_bits(scene):
    name, row = one(scene)
    before, after = field(scene), field(scene.without(name))
    layer = list(scene.layers(*WINDOW))[row]
    away = np.ones((256, 256), dtype=bool)
    away[layer.y, layer.x] = False
    assert away.any() and np.array_equal(before.image[:, away], after.image[:, away])
    assert not np.array_equal(before.image, after.image)
    assert name not in scene.without(name).objects(*WINDOW)["id"]
    gone = light(scene, name)[:, layer.y, layer.x]
    assert gone == pytest.approx(layer.image, abs=1e-5 * float(before.truth.max()))


def test_a_table_of_objects_with_another_flux_is_a_table_of_changes(scene):
    name, row = one(scene)
    table = scene.objects(*WINDOW)
    assert field(scene.edit(table)).image.tobytes() == field(scene).image.tobytes()
    table["flux"][row] *= 0.5
    dim = scene.edit(table)
    assert light(dim, name) == pytest.approx(
        0.5 * light(scene, name), abs=1e-4 * float(field(scene).truth.max())
    )
    t = dim.objects(*WINDOW)
    assert t["id"][-1] == name and len(t) == len(table)
    assert t["magnitude"][-1] == pytest.approx(table["magnitude"][row] + 2.5 * np.log10(2))


def test_a_galaxy_is_sheared_enlarged_turned_and_moved():
    model = replace(MODEL, psf=None)
    plain = Scene(model, seed=4)
    name, row = one(plain)
    flux, area, chi1, chi2 = moments(light(plain, name)[0])
    q = plain.objects(*WINDOW)["axis_ratio"][row]
    angle = plain.objects(*WINDOW)["position_angle"][row]
    f, a, c1, _ = moments(light(plain.edit({"id": name, "g1": 0.05}), name)[0])
    assert f == pytest.approx(flux, rel=0.02) and a == pytest.approx(area, rel=0.03)
    assert c1 - chi1 == pytest.approx(2 * 0.05 * (1 - chi1**2), rel=0.15)
    a = moments(light(plain.edit({"id": name, "size_factor": 1.3}), name)[0])[1]
    assert a == pytest.approx(1.69 * area, rel=0.1)
    turned = plain.edit({"id": name, "position_angle": angle + 90.0})
    assert moments(light(turned, name)[0])[2:] == pytest.approx((-chi1, -chi2), abs=0.03)
    round_ = plain.edit({"id": name, "axis_ratio": 1.0})
    assert np.hypot(*moments(light(round_, name)[0])[2:]) < 0.3 * np.hypot(chi1, chi2) or q > 0.9
    moved = plain.edit({"id": name, "x": plain.objects(*WINDOW)["x"][row] + 8.0})
    assert light(moved, name)[:, :, 8:] == pytest.approx(light(plain, name)[:, :, :-8], abs=1e-3)


def test_stars_and_galaxies_are_added():
    plain = Scene(replace(MODEL, density_factor=0.0, stars=None), seed=1)
    new = {"x": [100.0, 180.0], "y": [90.0, 95.0], "flux": [[500.0, 700.0], [300.0, 200.0]]}
    stars = plain.edit(new | {"star": [True, True]})
    assert field(stars).truth.sum(axis=(1, 2)) == pytest.approx([800.0, 900.0], rel=1e-3)
    galaxies = plain.edit(new | {"r_e": [0.4, 0.2], "n": [1.0, 2.5], "axis_ratio": [0.5, 1.0]})
    assert field(galaxies).truth.sum(axis=(1, 2)) == pytest.approx([800.0, 900.0], rel=0.01)
    t = galaxies.objects(*WINDOW)
    assert t["id"].tolist() == ["added-1", "added-2"] and t["r_e"].tolist() == [0.4, 0.2]
    row = {name: t[name][:1] for name in t.colnames if name != "id"} | {"x": np.array([60.0])}
    twin = galaxies.edit(row).objects(*WINDOW)
    assert len(twin) == 3 and twin["x"][-1] == 60.0
    assert np.array_equal(twin["flux"][-1], t["flux"][0]) and np.array_equal(twin["sed"][-1], t["sed"][0])


def test_every_object_of_a_sheared_scene_can_be_edited():
    lensed = Scene(replace(MODEL, shear=(0.02, 0.0)), seed=4)
    name, _ = one(lensed)
    after = lensed.edit({"id": name, "flux_factor": 2.0}).edit(
        {"x": 100.0, "y": 90.0, "flux": [500.0, 700.0], "star": True}
    )
    assert field(after).truth.max() > field(lensed).truth.max()


def test_an_edit_does_not_depend_on_the_window(scene):
    name, _ = one(scene)
    after = scene.edit({"id": name, "size_factor": 1.5})
    whole = field(after).image
    assert np.array_equal(after[0:100, 50:150].image, whole[:, 30:130, 30:130])
    fresh = Scene(NOISY, seed=4).edit({"id": name, "size_factor": 1.5})
    assert np.array_equal(fresh[0:100, 50:150].image, whole[:, 30:130, 30:130])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flux": [-1.0, 2.0]}, "'flux' of an object is to be -1; it is 0"),
        ({"axis_ratio": 1.5}, "'axis_ratio' of an object is to be 1.5"),
        ({"g1": 0.95}, "below 0.9"),
        ({"z": 3.0}, "'z' of source .* cannot be changed, found 3.0"),
        ({"side": 8}, "cannot be changed"),
    ],
)
def test_what_no_object_can_have_is_a_sentence(scene, change, words):
    with pytest.raises(InputError, match=words):
        scene.edit({"id": one(scene)[0]} | change)
    with pytest.raises(InputError, match="a new galaxy has no 'r_e'"):
        scene.edit({"x": 3.0, "y": 3.0, "flux": [1.0, 1.0]})


def test_a_star_has_no_shape():
    starry = Scene(replace(MODEL, stars=replace(MODEL.stars, factor=10.0)), seed=2)
    with pytest.raises(InputError, match=r"'r_e' of a star is to be 0\.3"):
        starry.edit({"id": one(starry, star=True)[0], "r_e": 0.3})


def test_ids_belong_to_the_drawn_objects(scene):
    t, drawn = scene.objects(*WINDOW), scene.drawn(*WINDOW)
    level, by, bx, row = map(int, str(t["id"][5]).split("/"))
    assert level == 0 and scene.cell(by, bx).x[row] == drawn.x[5]
    assert len(np.unique(t["id"])) == len(t)


def test_an_edited_scene_is_sent_to_another_process(scene):
    name, _ = one(scene)
    other = scene.edit({"id": name, "size_factor": 1.5}).without(scene.objects(*WINDOW)["id"][0])
    sent = pickle.loads(pickle.dumps(other))
    assert np.array_equal(sent[0:90, 60:150].image, other[0:90, 60:150].image)
