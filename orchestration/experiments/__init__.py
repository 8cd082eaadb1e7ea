"""Report on an experiment: from exposures and outcomes to effects with intervals."""
