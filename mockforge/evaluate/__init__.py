"""What is generated or predicted, held against what is real: reports with verdicts."""
