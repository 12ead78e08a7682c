"""What several tests build alike: batches, stages, small datasets, FITS files and catalogues.

They are imported as `tests.builders.batches` and so on: pytest puts the folder above `tests` on the path
(`pythonpath` in pyproject.toml), and the processes that a test starts inherit it.
"""
