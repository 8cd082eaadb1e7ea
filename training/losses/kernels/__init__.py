"""Log-sum-exp over all pairs of a batch, without a matrix of all pairs in memory."""
