"""Scripts that make the bundled data; not part of the installed package."""
