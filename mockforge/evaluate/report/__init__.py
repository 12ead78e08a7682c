"""What an evaluation says: tables, verdicts, figures, one HTML page."""
