"""What a person reads: tables, plots and lines of a run."""
