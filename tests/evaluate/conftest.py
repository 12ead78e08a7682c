"""The field that evaluations take for real."""

import pytest

from mockforge.field.field import Field
from tests.builders.painted_sky import BANDS, sky


@pytest.fixture(scope="session")
def real() -> Field:
    """The 'real' field: 448 x 512 pixels, of which rows 224 to 448 are the reference."""
    return Field(image=sky(1, 448, 512), bands=BANDS, pixel_scale_arcsec=0.2)
