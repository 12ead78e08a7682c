"""A catalogue of SExtractor: its places count from 1, its ellipses are drawn."""

import numpy as np

from mockforge.view.rows import Place, _axes


def test_ellipses_of_sextractor_are_drawn() -> None:
    columns = {"A_IMAGE": np.array([3.0, 2.0]), "B_IMAGE": np.array([2.0, 1.0])}
    np.testing.assert_array_equal(_axes(columns, Place(), 2), [[9, 6], [6, 3]])
    columns["KRON_RADIUS"] = np.array([4.0, 0.0])
    np.testing.assert_array_equal(_axes(columns, Place(), 2), [[12, 6], [8, 3]])
