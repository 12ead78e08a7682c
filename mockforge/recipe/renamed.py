"""Words of recipes that had another meaning elsewhere and got one of their own: old -> new."""

KEYS: dict[tuple[str, str], str] = {
    ("sweep", "seeing"): "is called fwhm_factor now (times the width of the target's PSF)",
    ("sweep", "depth"): "is called depth_offset_mag now (magnitudes deeper than the target)",
}
"""(enclosing key, old key) -> what to say."""

ARRAYS: dict[str, str] = {"seeing": "fwhm_factor", "depth": "depth_offset_mag"}
"""Old name of an array -> its new one."""
