"""What kind of dataset it is, by what it holds; no other file guesses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of dataset, and what a card says of such a one."""

    name: str
    """`segmentation`, `pairs`, `degraded`, `views`, `cubes`, `disks` or `other`."""
    hub_task: str = ""
    """The task category of dataset hubs."""
    what: str = "samples{in_bands}"
    """What it holds so many of."""
    method: str = ""
    """What is called on the loaded dataset, e.g. `.as_pairs()`."""
    first: str = "sample = train[0]   # a dict of tensors"
    """How its first sample is taken in Python."""


SEGMENTATION = Kind(
    "segmentation",
    "image-segmentation",
    "images of the sky{in_bands} with every detected object outlined and measured",
    ".as_detection()",
    "image, target = train[0]   # as torchvision's Mask R-CNN takes them",
)
PAIRS = Kind(
    "pairs",
    "image-to-image",
    "pairs of pictures{in_bands} of one galaxy, at redshift z_in and at z_out",
    ".as_pairs()",
    "input, target, z_in, z_out = train[0]",
)
DEGRADED = Kind(
    "degraded",
    "image-to-image",
    "images{in_bands} as a coarser telescope sees them, with the fine ones they came from",
)
VIEWS = Kind(
    "views",
    "image-segmentation",
    "pieces of sky, each as several telescopes see it, with one set of labels",
)
DISKS = Kind("disks", what="images of disk galaxies{in_bands}, with every part of each and its parameters")
CUBES = Kind(
    "cubes",
    what="integral-field cubes of galaxies that turn, with maps of what is true",
    method=".as_cubes()",
    first="cube, variance, maps, wavelength = train[0]",
)
IMAGES = Kind("other", what="simulated images{in_bands}")
OTHER = Kind("other")


def kind_of(arrays: Collection[str], attributes: Collection[str]) -> Kind:
    """Return the kind of a dataset with these arrays and root attributes, by their names."""
    if "views" in attributes and any(name.startswith("image_") for name in arrays):
        return VIEWS
    if {"cube", "wavelength"} <= set(arrays):
        return CUBES
    if "image" in arrays and "truth_pixel_scale_arcsec" in attributes:
        return DEGRADED
    if {"image", "instances"} <= set(arrays):
        return SEGMENTATION
    if {"input", "target"} <= set(arrays):
        return PAIRS
    if {"image", "truth_disk"} <= set(arrays):
        return DISKS
    return IMAGES if "image" in arrays else OTHER


def labels_of(arrays: Collection[str]) -> str:
    """Return the array that labels the pixels of `image`, of one object each; empty where there is none."""
    usable = [name for name in ("instances", "instances_visible") if name in arrays and "image" in arrays]
    return usable[0] if usable else ""


def detected(arrays: Collection[str], tables: Collection[str]) -> bool:
    """Whether labels or a catalogue come from a detection rule."""
    return "instances" in arrays or "catalogue" in tables


def simulated(arrays: Collection[str]) -> bool:
    """Whether it holds what no telescope gives."""
    named = {"truth", "target", "light", "isolated", "cube"} & set(arrays)
    return bool(named) or any(name.startswith("truth_") for name in arrays)
