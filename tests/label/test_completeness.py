"""Completeness, purity and flux error by magnitude, on tables made by hand."""

import numpy as np
import pytest
from astropy.table import Table

from mockforge.label.completeness import Completeness, completeness, detected_by, magnitude, pure_by, section


def flux(*magnitudes: float) -> np.ndarray:
    return 10 ** (-0.4 * (np.array(magnitudes) - 31.4))


def tables() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Six objects, one of them out of the tile and one mostly; four detections, one spurious."""
    objects = {
        "inside": np.array([True, True, True, True, False, True]),
        "fraction": np.array([1.0, 0.9, 1.0, 1.0, 0.6, 0.4]),
        "detected": np.array([True, False, True, False, True, True]),
        "blended": np.array([False, True, False, False, False, False]),
        "missed": np.array([False, False, False, True, False, False]),
        "true_flux_g": 0.5 * flux(20.2, 20.3, 21.2, 21.3, 20.2, 20.2),
        "true_flux_r": 1.5 * flux(20.2, 20.3, 21.2, 21.3, 20.2, 20.2),
    }
    catalogue = {
        "true_label": np.array([1, 3, 0, 5]),
        "flux_g": np.array([*0.4 * flux(20.2, 21.2), *flux(21.9, 20.2)]),
        "flux_r": np.array([*1.4 * flux(20.2, 21.2), *flux(21.9, 20.2)]),
        "true_flux_g": np.array([*0.5 * flux(20.2, 21.2), np.nan, *0.5 * flux(20.2)]),
        "true_flux_r": np.array([*1.5 * flux(20.2, 21.2), np.nan, *1.5 * flux(20.2)]),
    }
    return objects, catalogue


EDGES = np.array([19.0, 20.0, 21.0, 22.0])


def test_objects_and_detections_are_counted_where_they_belong() -> None:
    found = completeness(*tables(), ("g", "r"), edges=EDGES)
    assert found.objects.tolist() == [0, 2, 2] and found.detections.tolist() == [0, 2, 2]
    assert found.detected[1:].tolist() == [0.5, 0.5] and found.blended[1:].tolist() == [0.5, 0.0]
    assert found.missed[1:].tolist() == [0.0, 0.5] and found.pure[1:].tolist() == [1.0, 0.5]
    assert np.isnan(found.detected[0]) and np.isnan(found.pure[0])
    assert [row["from"] for row in found.rows()] == [20.0, 21.0]


def test_the_magnitude_is_that_of_the_mean_flux_and_bins_hold_every_object() -> None:
    objects, catalogue = tables()
    assert magnitude(objects, ["true_flux_g", "true_flux_r"])[:2] == pytest.approx([20.2, 20.3])
    assert np.isnan(magnitude({"flux_g": np.array([-1.0])}, ["flux_g"])[0])
    found = completeness(objects, catalogue, ("g", "r"))
    assert np.allclose(np.diff(found.edges), 0.5)
    assert found.objects.sum() == 4 and found.detections.sum() == 4


def test_tables_of_a_dataset_are_taken_as_they_are() -> None:
    objects, catalogue = tables()
    found = completeness(Table(objects), Table(catalogue), ("g", "r"), edges=EDGES)
    assert found.markdown() == completeness(objects, catalogue, ("g", "r"), edges=EDGES).markdown()


def test_flux_errors_are_those_that_were_put_in() -> None:
    objects, _ = tables()
    error = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    catalogue = {
        "true_label": np.ones(6, dtype=np.int32),
        "true_flux_g": np.full(6, flux(20.5)[0]),
        "flux_g": np.append(flux(20.5)[0] * (1 + error), 1e9),
    }
    catalogue["true_label"][5] = 0  # what is no object has no true flux
    found = completeness({**objects}, catalogue, ("g",), edges=EDGES)
    assert found.flux_error[1] == pytest.approx(0.0, abs=1e-12)
    assert found.flux_scatter[1] == pytest.approx(0.136, abs=1e-12)
    assert np.isnan(found.flux_error[[0, 2]]).all()


def test_what_was_injected_alone_says_nothing_of_purity() -> None:
    objects, catalogue = tables()
    some = {**objects, "injected": np.array([True, False, True, False, False, False])}
    found = completeness(some, catalogue, ("g", "r"), edges=EDGES)
    assert found.objects.tolist() == [0, 1, 1] and found.detected[1:].tolist() == [1.0, 1.0]
    assert found.pure[1:].tolist() == [1.0, 0.5]
    every = {**objects, "injected": np.ones(6, dtype=bool)}
    assert np.isnan(completeness(every, catalogue, ("g", "r"), edges=EDGES).pure).all()


def test_the_section_of_a_card_shows_the_numbers() -> None:
    objects, catalogue = tables()
    given = {"objects": objects, "catalogue": catalogue}
    text = section(given, ("g", "r"), 31.4)
    assert "| 21.0 to 21.5 | 2 | 50% | 0% | 50% | 1 | 100% |  |" in text
    assert text.startswith("## Completeness and purity")
    assert section(given, ("g", "r"), None) == "" and section({"catalogue": catalogue}, ("g",), 31.4) == ""
    unmatched = {name: column for name, column in objects.items() if name != "missed"}
    assert section({**given, "objects": unmatched}, ("g", "r"), 31.4) == ""


def test_markdown_of_flux_errors() -> None:
    one = np.array([0.5])
    found = Completeness(
        np.array([20.0, 21.0]), np.array([4]), one, one, 0 * one, np.array([3]), one, -0.1 * one, 0.02 * one
    )
    row = "| 20.0 to 21.0 | 4 | 50% | 50% | 0% | 3 | 50% | -5% ± 1% |"
    assert found.markdown().splitlines()[-1] == row


def test_one_column_at_a_time() -> None:
    objects, catalogue = tables()
    found = detected_by({**objects, "m": np.arange(6.0)}, np.array([-0.5, 1.5, 4.5]), "m")
    assert found["count"].tolist() == [2, 2] and found["missed"].tolist() == [0.0, 0.5]
    pure = pure_by({**catalogue, "m": np.arange(4.0)}, np.array([1.5, 3.5]), "m")
    assert pure["pure"].tolist() == [0.5]
