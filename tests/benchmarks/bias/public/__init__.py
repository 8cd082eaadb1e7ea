"""Bias models and off-policy estimates on public logs that have a uniform part."""
