"""What is generated or predicted, compared with what is real: reports with verdicts."""
