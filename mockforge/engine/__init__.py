"""The build engine: plan, shards, publish."""
