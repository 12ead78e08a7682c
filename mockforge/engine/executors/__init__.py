"""Who makes the shards of a build: local worker processes."""
