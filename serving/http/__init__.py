"""The service over HTTP: a light front that holds the sockets, before one engine for each release."""
