"""Experiments of the service: answers of variants, exposures, and comparisons with shadows."""
