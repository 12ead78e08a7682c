"""Curves, lines, instruments and velocities, each against numbers known from elsewhere."""

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.galaxies.cubes.body.curves import CURVES, read_profile, speed, table_curve
from mockforge.galaxies.cubes.body.disk import Physics, disks
from mockforge.galaxies.cubes.body.doppler import factor, velocity
from mockforge.galaxies.cubes.instrument.instruments import INSTRUMENTS, hexagon, instrument
from mockforge.galaxies.cubes.instrument.lines import GROUPS, VACUUM, air, lines_of


def at(name: str, x: float) -> float:
    one = torch.ones((), dtype=torch.float64)
    return float(speed(name, torch.tensor([x], dtype=torch.float64), one, one))


def test_curves_are_the_papers():
    from scipy.special import i0, i1, k0, k1

    assert at("arctan", 1.0) == pytest.approx(0.5)
    assert at("tanh", 1.0) == pytest.approx(np.tanh(1))
    assert at("isothermal", 1.0) == pytest.approx(np.sqrt(1 - np.pi / 4))
    assert at("nfw", 2.16258) == pytest.approx(1.0, rel=1e-5)
    assert at("universal", 3.2) == pytest.approx(1.0)  # V(R_opt), L = L*
    peak = 1.07506  # y = r / 2 R_d of the peak of Freeman's disk
    shape = [y**2 * (i0(y) * k0(y) - i1(y) * k1(y)) for y in (0.4, peak)]
    assert at("freeman", 0.8) == pytest.approx(np.sqrt(shape[0] / shape[1]), rel=1e-4)
    assert at("freeman", 2 * peak) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_finite_and_can_be_derived_from_the_middle_on(name):
    r = torch.tensor([0.0, 1e-3, 0.5, 3.0, 300.0], requires_grad=True)
    r_turn = torch.tensor(0.7, requires_grad=True)
    v = speed(name, r, torch.tensor(200.0, requires_grad=True), r_turn)
    v.sum().backward()
    assert v.isfinite().all() and (v >= 0).all() and v.max() < 260
    assert r_turn.grad is None or r_turn.grad.isfinite()
    assert r.grad is None or r.grad.isfinite().all()


def test_a_users_curve_goes_through_its_points_and_stays_beyond_them(tmp_path):
    path = tmp_path / "curve.txt"
    path.write_text("# arcsec km/s\n0 0\n0.5 120\n1 180\n2 200\n")
    r, v = read_profile(path, "rotation curve")
    curve = table_curve(r, v)
    torch.testing.assert_close(
        curve(torch.tensor([0.0, 0.5, 1.0, 2.0, 9.0])), torch.tensor([0.0, 120, 180, 200, 200])
    )
    between = curve(torch.linspace(0, 2, 50))
    assert (between.diff() > -1e-4).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0\n1 100\n0.5 120\n", "falls back from 1 to 0.5 arcsec in row 3"),
        ("0 0\n1 -100\n", "should be >= 0, found -100"),
        ("0 0 0\n1 1 1\n", "2 rows of 3 columns"),
        ("0 0\n", "1 rows of 2 columns"),
        ("0 nan\n1 100\n", "finite numbers"),
        ("a b\n", "text of two columns"),
        (None, "there is no such file"),
    ],
)
def test_a_curve_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "curve.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_profile(path, "rotation curve")


def test_unknown_words_are_answered_with_the_nearest():
    for call, message in (
        (lambda: Physics(curve="arctn"), "did you mean 'arctan'"),
        (lambda: Physics(radial="exponentiell"), "did you mean 'exponential'"),
        (lambda: Physics(vertical="sech"), "did you mean 'sech2'"),
        (lambda: disks(inclinaton=3.0), "did you mean 'inclination'"),
        (lambda: instrument("musee"), "did you mean 'muse'"),
        (lambda: lines_of("o2"), "unknown lines 'o2'"),
        (lambda: lines_of("line", single="Hx"), "unknown line 'Hx'"),
        (lambda: lines_of("oii", ratio=-1.0), "should be > 0, found -1"),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("convention", ["relativistic", "optical", "radio"])
def test_velocities_come_back_from_wavelengths(convention):
    v = np.array([-900.0, 0.0, 250.0])
    np.testing.assert_allclose(velocity(factor(v, convention), convention), v, atol=1e-6)


def test_lines_lie_in_vacuum_and_in_air_where_they_are_known_to():
    assert air(VACUUM["OIII5007"]) == pytest.approx(5006.843, abs=0.01)
    assert air(VACUUM["Ha"]) == pytest.approx(6562.79, abs=0.02)
    for group in GROUPS:
        lines = lines_of(group)
        assert lines.share.sum() == pytest.approx(1.0) and len(lines.rest) == len(lines.share)
    oii = lines_of("oii", ratio=1.4)
    assert oii.share[0] / oii.share[1] == pytest.approx(1.4)


def test_instruments_say_where_their_numbers_come_from():
    for one in INSTRUMENTS.values():
        assert one.source and one.range_angstrom[0] < one.range_angstrom[1]
        middle = np.mean(one.range_angstrom)
        assert 0.3 < one.lsf.sigma(middle) * 2.3548 / one.channel_angstrom < 6
    assert instrument("muse-udf").lsf.sigma(7000.0) * 2.3548 == pytest.approx(2.483, abs=0.01)
    inside = hexagon((65, 65), 0.5, 32.5)
    assert inside.sum() * 0.25 == pytest.approx(3 * np.sqrt(3) / 8 * 32.5**2, rel=0.03)
