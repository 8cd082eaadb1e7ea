"""Routes of the service, a file each."""
