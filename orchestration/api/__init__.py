"""Python API behind `import gatehouse`: data, model, evaluation, pipeline."""
