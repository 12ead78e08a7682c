"""Blends separated each by itself, so that what is around an object does not change it.

sep shares the pixels below the last deblending level out by lot (so does SExtractor), and its lots go on
from one blend to the next: a blend's pixels depend on all that lie before it in the image. Extracted again
on its own pixels, a blend is the same in an image of any size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Extract = Callable[[tuple[slice, slice]], tuple[np.ndarray, np.ndarray]]
"""Part of the image -> sep's table, labels of the part."""
_ACROSS = ("x", "xmin", "xmax", "xpeak", "xcpeak")
_UP = ("y", "ymin", "ymax", "ypeak", "ycpeak")


def each_alone(
    objects: np.ndarray, instances: np.ndarray, extract: Extract, pad: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the objects and labels of an image with its blends extracted each from its own part.

    Parameters
    ----------
    objects, instances
        Of the whole image; row i is object i + 1.
    extract
        Extracts part of that image by the same rule.
    pad
        Pixels around a blend that belong to its part.
    """
    from scipy.ndimage import find_objects, label

    parts = np.zeros(instances.shape, dtype=np.int32)
    label(instances > 0, structure=np.ones((3, 3)), output=parts)
    pairs = np.unique(np.stack([parts[instances > 0], instances[instances > 0]], axis=1), axis=0)
    members = np.bincount(pairs[:, 0], minlength=1)
    boxes = find_objects(parts)
    objects, labels = objects.copy(), instances.copy()
    for part in np.flatnonzero(members > 1):
        rows, columns = (slice(max(s.start - pad, 0), s.stop + pad) for s in boxes[part - 1])
        table, found = extract((rows, columns))
        inside = parts[rows, columns] == part
        new = np.unique(found[inside])
        old = pairs[pairs[:, 0] == part, 1]
        new = new[new > 0]
        if len(new) != len(old):
            continue  # cleaning gave one to a neighbour outside the part
        number = np.zeros(len(table) + 1, dtype=labels.dtype)
        number[new] = old
        labels[rows, columns][inside] = number[found[inside]]
        moved = table[new - 1].copy()
        for name in _ACROSS:
            moved[name] += columns.start
        for name in _UP:
            moved[name] += rows.start
        objects[old - 1] = moved
    return objects, labels
