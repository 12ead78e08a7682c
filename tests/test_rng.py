"""Streams: equal names give equal numbers, on every machine and in every release."""

from __future__ import annotations

import numpy as np
import torch

from mockforge.rng import Stream


def test_the_numbers_of_a_name_never_change() -> None:
    """A dataset is its recipe: other numbers here would make every recorded recipe another dataset."""
    stream = Stream(20190424, ("shard", 3, "attempt", 0, "detect"))
    assert stream.digest().hex() == "c05c95a72cf12e48e91d9273dd5136e1"
    assert stream.numpy().integers(0, 10**6, 4).tolist() == [288702, 886650, 926932, 443145]
    assert torch.randint(0, 10**6, (4,), generator=stream.torch()).tolist() == [
        189355,
        864155,
        141659,
        441030,
    ]


def test_a_stream_has_no_state() -> None:
    stream = Stream(1, ("a",))
    first = stream.numpy().random(5)
    stream.child("b").numpy().random(100)
    np.testing.assert_array_equal(stream.numpy().random(5), first)


def test_other_names_are_other_streams() -> None:
    root = Stream(1)
    streams = [
        root, Stream(2), root.child("a"), root.child("a", "b"), root.child("ab"), root.child("b", "a"),
        root.child(1), root.child("1"), root.child(1, 1), root.child(11),
    ]  # fmt: skip
    assert len({s.digest() for s in streams}) == len(streams)
    draws = np.array([s.numpy().normal(size=2000) for s in streams])
    assert np.abs(np.corrcoef(draws) - np.eye(len(streams))).max() < 0.1
    assert root.child("a").child("b") == root.child("a", "b")
    assert root.child(np.int64(1)).digest() == root.child(1).digest()  # type: ignore[arg-type]
