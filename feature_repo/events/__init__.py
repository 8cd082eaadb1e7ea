"""Events as they happen: their log, the log as training data, and its consumer."""
