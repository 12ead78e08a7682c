"""What a source looks like beyond its profile: morphology, and a critic of it."""
