"""Tables that grow on disk: the same bytes however they grew, read by astropy and pyarrow."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.mosaic.rows import Column, TableSpec, TableWriter

SPEC = TableSpec(
    (
        Column("label", "int32", "", "number"),
        Column("ra", "float64", "deg", "right ascension"),
        Column("flux", "float32", "nJy", "flux"),
        Column("cut", "bool"),
    ),
    cards={"BANDS": "g,r", "NOTE1": "a note"},
)


def rows(n: int, first: int = 0) -> dict[str, np.ndarray]:
    i = np.arange(first, first + n)
    return {"label": i, "ra": i / 7, "flux": np.sqrt(i), "cut": i % 3 == 0}


@pytest.fixture(params=[".fits", ".parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"table{request.param}"


def read(path: Path) -> Table:
    if path.suffix == ".fits":
        return Table.read(path)
    from pyarrow import parquet

    table = parquet.read_table(path)
    return Table({name: table[name].to_numpy() for name in table.column_names})


def test_rows_that_come_in_parts_give_the_bytes_of_all_at_once(path: Path) -> None:
    writer = TableWriter(path, SPEC)
    writer.append(rows(1000))
    writer.close()
    whole = path.read_bytes()
    writer = TableWriter(path, SPEC)
    for first in range(0, 1000, 100):
        writer.append(rows(100, first))
    assert path.read_bytes() == whole  # the older one stays until the new one is whole
    writer.close()
    assert path.read_bytes() == whole
    table = read(path)
    for name, values in rows(1000).items():
        np.testing.assert_array_equal(table[name], values.astype(table[name].dtype))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_table_that_was_cut_off_continues(path: Path) -> None:
    TableWriter(path, SPEC).close()
    assert len(read(path)) == 0
    writer = TableWriter(path, SPEC)
    writer.append(rows(60))
    kept = writer.flush()
    writer.append(rows(13, 500))  # more than was recorded
    writer.leave()
    writer = TableWriter(path, SPEC, keep=kept)
    writer.append(rows(40, 60))
    writer.close()
    continued = path.read_bytes()
    writer = TableWriter(path, SPEC)
    writer.append(rows(100))
    writer.close()
    assert path.read_bytes() == continued


def test_units_and_descriptions_are_there(path: Path) -> None:
    writer = TableWriter(path, SPEC)
    writer.append(rows(2))
    writer.close()
    if path.suffix == ".fits":
        table = Table.read(path)
        assert str(table["flux"].unit) == "nJy" and table.meta["BANDS"] == "g,r"
        assert table.meta["TCOMM2"] == "right ascension" or table["ra"].description == "right ascension"
    else:
        from pyarrow import parquet

        schema = parquet.read_schema(path)
        assert schema.field("flux").metadata == {b"unit": b"nJy", b"description": b"flux"}
        assert schema.metadata[b"NOTE1"] == b"a note"


def test_words_and_arrays_in_rows_are_read_back(path: Path) -> None:
    spec = TableSpec(
        (
            Column("id", "S6"),
            Column("flux", "float32", "nJy", shape=(3,)),
            Column("sed", "float64", shape=(2, 3)),
        )
    )
    made = {
        "id": np.array(["1/2", "-1/33", "a"]),
        "flux": np.arange(9.0).reshape(3, 3),
        "sed": np.arange(18.0).reshape(3, 2, 3),
    }
    writer = TableWriter(path, spec)
    writer.append({name: values[:1] for name, values in made.items()})
    writer.append({name: values[1:] for name, values in made.items()})
    with pytest.raises(InputError, match="id 'too/long': at most 6 letters"):
        writer.append(made | {"id": np.array(["a", "too/long", "b"])})
    with pytest.raises(InputError, match="letters of ASCII"):
        writer.append(made | {"id": np.array(["a", "é", "b"])})
    writer.close()
    if path.suffix == ".fits":
        table = Table.read(path)
        for name, values in made.items():
            np.testing.assert_array_equal(table[name], values)
        return
    from pyarrow import parquet

    columns = parquet.read_table(path)
    assert columns["id"].to_pylist() == made["id"].tolist()
    assert columns["flux"].to_pylist() == made["flux"].tolist()
    assert columns["sed"].to_pylist() == made["sed"].reshape(3, 6).tolist()


def test_what_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.fits or \.parquet"):
        TableWriter(tmp_path / "table.csv", SPEC)
    with pytest.raises(InputError, match="begin anew"):
        TableWriter(tmp_path / "table.fits", SPEC, keep=5)
    TableWriter(tmp_path / "table.fits", SPEC).leave()
    with pytest.raises(InputError, match="begin anew"):
        TableWriter(tmp_path / "table.fits", SPEC, keep=5)
    with pytest.raises(InputError, match="cannot be written"):
        TableWriter(tmp_path / "no" / "table.fits", SPEC)
