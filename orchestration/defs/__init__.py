"""The asset graph, one file for each group of assets."""
