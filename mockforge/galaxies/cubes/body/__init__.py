"""The disk that turns: its shape, its curves, how its gas moves."""
