"""What the source `ifu` is told, draws and observes."""
