#!/bin/sh
# Run by the image of Postgres when its volume is new: MLflow, Feast's registry and
# Dagster need a database each.
set -eu
for database in mlflow features dagster; do
    createdb --username "$POSTGRES_USER" "$database"
done
