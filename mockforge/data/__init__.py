"""Datasets on disk and in PyTorch: shards, the joined view, manifest, card, preview, loading."""
