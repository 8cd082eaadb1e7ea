"""SIGKILL before every write of every command that changes a release; then all must be well."""
