"""Facts of a dataset in lines of text."""

from mockforge.commands.facts import dataset_lines
from tests.builders.tiny_builds import built


def test_the_line_for_python_names_a_split_that_is_there(tmp_path):
    path = built(tmp_path, "splits={test: 1.0}")
    assert any(line.startswith("in Python") and "split='test'" in line for line in dataset_lines(path))
