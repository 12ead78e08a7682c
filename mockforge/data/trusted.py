"""What a dataset's HDF5 files may be made of.

HDF5 follows links, external storage and virtual sources to any file of the machine without a
word, and loads filters from plug-ins. A dataset's values are in its own shards: whatever leads
elsewhere is refused before it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mockforge.data.hdf5 import Unreadable

if TYPE_CHECKING:
    import h5py

_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
"""HDF5's numbers of the filters that shards are written with."""


def check_file(file: h5py.File, sources: Sequence[str] | None = None) -> None:
    """Check every link and dataset of a shard or, with `sources`, of a view over them.

    Raises Unreadable, naming the item, for links to elsewhere, values kept in other files,
    types that are no numbers, booleans or text, and filters of others. Datasets of the view's
    root other than `sample` and `split` must be virtual, over exactly `sources`, in order.
    """
    import h5py

    for name in map(str, file):
        item = _own(file, name)
        if isinstance(item, h5py.Group):
            for column in map(str, item):
                values = _own(item, column)
                if not isinstance(values, h5py.Dataset):
                    raise Unreadable(f"{name}/{column} is a group, where a table has columns")
                _check_values(f"{name}/{column}", values, None)
        elif isinstance(item, h5py.Dataset):
            virtual = sources is not None and name not in ("sample", "split")
            _check_values(name, item, sources if virtual else None)
        else:
            raise Unreadable(f"{name} is neither a group nor a dataset")


def _own(group: h5py.Group, name: str) -> object:
    """Return what a link leads to; Unreadable where that may be another file or another place."""
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise Unreadable(f"{name} is a link to another place ({_target(link)}), which is not followed")
    return group[name]


def _check_values(name: str, item: h5py.Dataset, sources: Sequence[str] | None) -> None:
    import h5py

    creation = item.id.get_create_plist()
    kind = item.id.get_type()
    number_classes = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)
    if not (kind.get_class() in number_classes or (item.dtype.kind == "S" and not kind.is_variable_str())):
        raise Unreadable(f"{name} is of type {item.dtype}; numbers, booleans and text are read")
    if item.ndim == 0:
        raise Unreadable(f"{name} is a single value; a row for each sample is expected")
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        if sources is None:
            raise Unreadable(f"{name} is a view of values in other files, which are not read")
        _check_sources(name, item, creation, sources)
        return
    if sources is not None:
        raise Unreadable(f"{name} holds its own values, and should refer to the shards")
    if creation.get_external_count():
        source = creation.get_external(0)[0].decode(errors="replace")
        raise Unreadable(f"{name} has its values in another file ({source}), which is not read")
    for i in range(creation.get_nfilters()):
        if (number := creation.get_filter(i)[0]) not in _FILTERS:
            raise Unreadable(f"{name} needs HDF5's filter {number}; {', '.join(_FILTERS.values())} are used")


def _check_sources(name: str, item: h5py.Dataset, how: h5py.h5p.PropDCID, sources: Sequence[str]) -> None:
    """Whether a virtual dataset is made of the whole arrays of that name in `sources`, end to end."""
    count = how.get_virtual_count()
    if count != len(sources):
        raise Unreadable(f"array {name!r} does not refer to the shards of the manifest")
    for i, source in enumerate(sources):
        place = (how.get_virtual_filename(i), how.get_virtual_dsetname(i).lstrip("/"))
        if place != (source, name):
            raise Unreadable(
                f"array {name!r} does not refer to the shards of the manifest: it leads to {place[1]!r} of "
                f"{place[0]!r}, and should to {source!r}"
            )


def _target(link: object) -> str:
    where = [getattr(link, key) for key in ("filename", "path") if hasattr(link, key)]
    return ", ".join(str(w) for w in where) or "of a kind of its own"
