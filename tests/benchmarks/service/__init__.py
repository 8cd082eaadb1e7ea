"""Parts of the benchmarks of a running `gatehouse serve`."""
