"""The asset graph, by the group of its assets."""
