"""Marks: rows, parts put together, and what is refused."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.sources.marks import Marks


def marks(n: int = 5, bands: int = 3) -> Marks:
    rng = np.random.default_rng(1)
    return Marks.make(
        rng.random(n), rng.random(n), rng.random((n, bands)), e1=np.full(n, 0.3), z=rng.normal(size=(n, 2))
    )


def test_rows_and_together_are_inverse():
    whole = marks()
    again = Marks.together([whole.rows(slice(0, 2)), whole.rows(np.arange(5) >= 2)])
    np.testing.assert_array_equal(again.flux, whole.flux)
    np.testing.assert_array_equal(again.z, whole.z)
    assert again.z.dtype == np.float32 and again.star.dtype == bool
    np.testing.assert_allclose(whole.mean_flux, whole.flux.mean(axis=1))
    assert len(Marks.together([Marks.empty(3, 2), whole])) == 5


def test_shapes_and_bands_are_checked():
    with pytest.raises(InputError, match="flux should have 2 axes and 5 rows"):
        marks().replace(flux=np.zeros((4, 3)))
    with pytest.raises(InputError, match=r"equally many columns in flux; found \[2, 3\]"):
        Marks.together([marks(), marks(bands=2)])
    with pytest.raises(InputError, match="did you mean 'flux'"):
        marks().replace(fluxx=1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": np.array([0, 1, np.nan, 3, 4])}, "row 2 has x, y = nan"),
        ({"e1": np.full(5, 1.2)}, r"row 0 has e1, e2 = 1.2, 0.0; \|e\|"),
        ({"log_n": np.full(5, 3.0)}, "between 0.4 and 8"),
    ],
)
def test_what_cannot_be_painted_is_named(columns, message):
    with pytest.raises(InputError, match=message):
        marks().replace(**columns).check()
    marks().check()
