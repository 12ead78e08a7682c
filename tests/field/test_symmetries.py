import numpy as np
import torch

from mockforge.field.symmetries import QUARTER_TURNS, each_turned, turned


def test_all_eight_differ_and_are_the_same_for_arrays_and_tensors():
    image = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    views = [turned(image, k) for k in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    many = torch.from_numpy(image)[None].expand(8, -1, -1, -1)
    for k, (view, one) in enumerate(zip(views, each_turned(many, torch.arange(8)), strict=True)):
        assert np.array_equal(turned(torch.from_numpy(image), k), view)
        assert np.array_equal(one, view)


def test_quarter_turns_are_those_of_rot90_first_as_it_is_then_mirrored():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    for i, symmetry in enumerate(QUARTER_TURNS):
        assert np.array_equal(turned(image, symmetry), np.rot90(image[:, ::-1] if i >= 4 else image, i % 4))


def test_a_batch_that_is_not_square_keeps_its_shape():
    images = torch.arange(24.0).reshape(1, 1, 4, 6).expand(8, -1, -1, -1)
    assert each_turned(images, torch.arange(8)).shape == images.shape
