"""Reports for people: tables, plots and lines of a run."""
