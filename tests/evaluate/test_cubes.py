"""Turning disks fitted back: with a fitter that knows the truth, by our own, and by GalPaK."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.evaluate.cubes import evaluate as evaluation
from mockforge.evaluate.cubes.apart import run_apart
from mockforge.evaluate.cubes.chains import every_state, potential_reduction, unsettled
from mockforge.evaluate.cubes.evaluate import Effort, evaluate_cubes
from mockforge.evaluate.cubes.fits import Fit, Fitter, NoFitError
from mockforge.evaluate.cubes.galpak_fitter import asked, galpak_fitter, in_our_units
from mockforge.evaluate.cubes.guess import guess
from mockforge.evaluate.cubes.own import own_fitter
from mockforge.evaluate.cubes.recovery import coverage, error_of, published_region, recover, scores, verdicts
from mockforge.evaluate.cubes.sample import MEASURED, read_sample

WORDS = [
    "samples=6",
    "shard_size=6",
    "splits={test: 1.0}",
    "stages.ifu.spaxels=22",
    "stages.ifu.channels=32",
    "stages.ifu.margin=2",
    "stages.ifu.tolerance=0.01",
    "stages.ifu.clumps=null",
    "stages.ifu.noise.snr=20",
    "stages.ifu.redshift={uniform: [0.6, 0.7]}",
    "stages.ifu.r_half_arcsec={uniform: [0.8, 1.0]}",
    "stages.ifu.inclination={uniform: [45, 65]}",
    "stages.ifu.v_max={uniform: [150, 250]}",
]
BESIDE = {"inclination": 1.0, "position_angle": 2.0, "v_max": 10.0, "sigma": 3.0, "r_half": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mockforge.build("ifu_disks", tmp_path_factory.mktemp("fits") / "data", WORDS, workers=1, quiet=1)


@pytest.fixture(scope="module")
def sample(folder):
    return read_sample(folder)


def fake(converged=True, width=1.5, fails=()) -> Fitter:
    """A fitter that is off by BESIDE, with intervals of `width` times that."""

    def fit(galaxy, sample) -> Fit:
        if galaxy.number in fails:
            raise NoFitError("took longer than 1 s")
        values = galaxy.truth | {name: galaxy.truth[name] + off for name, off in BESIDE.items()}
        values["position_angle"] %= 360
        low = {name: values[name] - width * off for name, off in BESIDE.items()}
        high = {name: values[name] + width * off for name, off in BESIDE.items()}
        return Fit(values, low, high, 1.0, converged, "" if converged else "not converged: chi2 2.00")

    return Fitter("fake", "fake: knows the truth", fit)


def recovered(fitter, sample):
    return recover(fitter, sample, lambda: 0.0, lambda _: None)


def test_errors_and_coverage_are_those_of_the_fits(sample):
    found = recovered(fake(), sample)
    row = scores(found, sample, range(6))
    truth = [g.truth["v_max"] for g in sample.galaxies]
    assert row["converged"] == 6 and row["v max bias"] == pytest.approx(np.median(10 / np.array(truth)))
    assert row["position angle error"] == pytest.approx(2 / 90)
    assert coverage(found, sample)["all five"] == 1.0
    assert coverage(recovered(fake(width=0.5), sample), sample)["all five"] == 0.0
    assert len(published_region(sample)) == 6
    assert [v.passed for v in verdicts(found, sample)] == [True, True, True]


def test_position_angles_are_compared_round_the_circle(sample):
    galaxy = replace(sample.galaxies[0], truth=sample.galaxies[0].truth | {"position_angle": 359.0})
    fit = fake().fit(galaxy, sample)
    assert fit.values["position_angle"] == pytest.approx(1.0)
    assert error_of("position_angle", fit, galaxy) == pytest.approx(2.0)


def test_what_has_not_converged_counts_for_no_error_and_gives_no_verdict(sample):
    found = recovered(fake(converged=False), sample)
    row = scores(found, sample, range(6))
    assert row["converged"] == 0 and row["inclination error"] is None
    assert not verdicts(found, sample)


def test_a_page_is_made_with_pictures_and_what_is_missing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "installed", lambda _: False)
    told = []
    report = evaluate_cubes(folder, count=3, fitters=[fake(fails=(1,))], told=told.append)
    report.write(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png") == 2 and "pip install" in page and "took longer than 1 s" in page
    rows = json.loads((tmp_path / "report.json").read_text())["sections"]
    assert any(row.get("remark") == "took longer than 1 s" for row in rows[-1]["rows"])
    assert sum(line.startswith("fake: galaxy") for line in told) == 3
    monkeypatch.setattr(evaluation, "own_fitter", fake)
    text = evaluate_cubes(folder, count=1).sections[0].text
    assert "galpak is not installed; type: pip install 'mockforge[ifu]'" in text and "dysmalpy" in text


def test_moments_are_near_the_truth(sample):
    for galaxy in sample.galaxies:
        first = guess(galaxy, sample)
        turn = (first["position_angle"] - galaxy.truth["position_angle"] + 180) % 360 - 180
        assert abs(turn) < 20 and abs(first["x"] - galaxy.truth["x"]) < 0.2
        assert first["flux"] == pytest.approx(galaxy.truth["flux"], rel=0.4)


def test_our_fit_recovers_a_galaxy(sample):
    galaxy = sample.galaxies[0]
    fit = own_fitter().fit(galaxy, sample)
    assert fit.converged and 0.9 < fit.chi2 < 1.1
    for name, most in {"inclination": 6.0, "position_angle": 4.0, "r_half": 0.06, "v_max": 60.0}.items():
        assert abs(error_of(name, fit, galaxy)) < most
        assert fit.low[name] < fit.values[name] < fit.high[name]


def correlated(rng, worth: float, count: int = 4000) -> np.ndarray:
    """A chain of standard deviation 1 that is worth so many independent samples."""
    time = count / worth
    a = (time - 1) / (time + 1)  # its autocorrelation time is (1 + a) / (1 - a)
    out = np.empty(count)
    state = rng.standard_normal()
    for i, kick in enumerate(np.sqrt(1 - a**2) * rng.standard_normal(count)):
        state = out[i] = a * state + kick
    return out


def test_a_chain_has_settled_where_its_pieces_agree():
    rng = np.random.default_rng(5)
    share = {
        worth: np.mean([unsettled({"v_max": correlated(rng, worth)}) == "" for _ in range(60)])
        for worth in (2, 20, 80)
    }
    assert share[80] > 0.97 and share[20] > 0.7 and share[2] < 0.25
    white = rng.standard_normal(2000)
    assert potential_reduction(white) == pytest.approx(1, abs=0.01) and not unsettled({"v_max": white})
    jump = white + 3.0 * (np.arange(2000) > 900)
    for chain in (jump, white + np.linspace(0, 4, 2000), np.ones(500)):
        assert "of v max" in unsettled({"sigma": white, "v_max": chain})
    rows = np.array([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0]])
    np.testing.assert_array_equal(every_state(rows, np.array([4, 0, 6]), 0.7)[:, 0], [1, *[3] * 6])


def test_galpaks_units_go_there_and_back(sample):
    galaxy = sample.galaxies[0]
    start, first = asked(galaxy, sample, 100)["start"], guess(galaxy, sample)
    found = in_our_units(start, galaxy, sample)
    for name in ("x", "y", *MEASURED, "r_turn", "velocity"):
        assert (found[name] - first[name] + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_chains_are_kept_and_judged_again_without_a_fit(sample, tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    galaxy = sample.galaxies[0]
    start = np.array(list(asked(galaxy, sample, 100)["start"].values()))
    began = []

    def run(program, folder, ask, seconds):
        began.append(ask["steps"])
        rows = start + 0.01 * rng.standard_normal((400, len(start)))
        rows[:, 6] = np.where(rng.random(400) < 0.5, 359.9, 0.1)  # round the circle
        chi2 = np.ones((400, 1))
        held = rng.integers(1, 4, 400)
        np.savez(folder / "chain.npz", rows=np.hstack([rows, chi2]), held=held, names=np.array(["x"]))

    monkeypatch.setattr("mockforge.evaluate.cubes.galpak_fitter.run_apart", run)
    fits = [galpak_fitter(100, 60, tmp_path / "chains").fit(galaxy, sample) for _ in range(2)]
    assert began == [100] and fits[0] == fits[1] and fits[0].converged
    assert fits[0].high["position_angle"] - fits[0].low["position_angle"] < 1
    galpak_fitter(200, 60, tmp_path / "chains").fit(galaxy, sample)
    assert began == [100, 200]  # other questions are asked anew


def test_a_program_apart_answers_fails_or_is_ended(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys, time\nprint('loud')\nask = json.load(open('ask.json'))\n"
        "time.sleep(ask['sleep'])\nassert ask['ok'], 'no good'\njson.dump({'a': 1}, open('answer.json', 'w'))"
    )
    assert run_apart(str(program), tmp_path, {"sleep": 0, "ok": True}, 60) == {"a": 1}
    (tmp_path / "answer.json").unlink()
    with pytest.raises(NoFitError, match="no good"):
        run_apart(str(program), tmp_path, {"sleep": 0, "ok": False}, 60)
    with pytest.raises(NoFitError, match=r"longer than 0\.5 s"):
        run_apart(str(program), tmp_path, {"sleep": 60, "ok": True}, 0.5)


def test_bad_input_is_a_sentence(folder, tmp_path):
    other = mockforge.build(
        "redshift_pairs",
        tmp_path / "pairs",
        ["samples=2", "shard_size=2", "stages.sersic_sed.stamp=16", "splits={test: 1.0}"],
        workers=1,
        quiet=1,
    )
    for where, how, words in (
        (other, {}, "holds no cubes to fit"),
        (tmp_path / "absent", {}, "absent"),
        (folder, {"count": 0}, "1 or more, found 0"),
        (folder, {"split": "val"}, "no split 'val'"),
    ):
        with pytest.raises(InputError, match=words):
            read_sample(where, **how)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("stages.ifu.noise=null", "cube_variance"),
        ("stages.ifu.companion={share: 1.0}", "holds a pair"),
        ("stages.ifu.equivalent_width_angstrom=50", "have a continuum"),
    ],
)
def test_cubes_that_cannot_be_fitted_say_why(tmp_path, word, words):
    small = [
        "samples=1",
        "shard_size=1",
        "splits={test: 1.0}",
        "stages.ifu.spaxels=12",
        "stages.ifu.margin=1",
    ]
    keep = "save={cube: float32, velocity_observed: float32, wavelength: float64}" if "null" in word else ""
    made = [*small, "stages.ifu.tolerance=0.1", word, *([keep] if keep else [])]
    data = mockforge.build("ifu_disks", tmp_path / "d", made, workers=1, quiet=1)
    with pytest.raises(InputError, match=words):
        read_sample(data)


def test_the_command_refuses_what_does_not_go_together(folder):
    for words, said in (
        (["-n", "3", "--dataset", str(folder)], "give these with --cubes"),
        (["--cubes", str(folder), "--model", "kids-viking"], "leave it out"),
        (["--cubes", str(folder), "-n", "0"], "greater than or equal to 1"),
        (["--cubes", str(folder / "nosuch")], "nosuch"),
    ):
        done = CliRunner().invoke(app, ["evaluate", *words])
        assert done.exit_code != 0
        message = re.sub(r"\s+", " ", done.output + str(done.exception or ""))
        assert said in message and "Traceback" not in message


@pytest.mark.slow
def test_galpak_runs_apart_and_answers(sample):
    pytest.importorskip("galpak")
    galaxy = sample.galaxies[0]
    fit = galpak_fitter(400, 60).fit(galaxy, sample)
    assert 0.5 < fit.chi2 < 1.5
    assert abs(error_of("position_angle", fit, galaxy)) < 15
    assert abs(error_of("inclination", fit, galaxy)) < 20
    with pytest.raises(NoFitError, match="fewer than 100"):
        galpak_fitter(400, 0.1).fit(galaxy, sample)


@pytest.mark.slow
def test_kinms_makes_the_same_cube(sample):
    pytest.importorskip("kinms")
    from mockforge.evaluate.cubes.kinms_model import compare

    row = compare(sample.galaxies[0], sample, 600)
    assert row["flux"] == pytest.approx(1, abs=0.1) and row["difference"] < 0.03
    assert Effort().seconds > 0
