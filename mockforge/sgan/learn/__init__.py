"""From a real field to a trained SGAN."""
