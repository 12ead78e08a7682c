"""The lattice network of smith2019 and its instrument."""
