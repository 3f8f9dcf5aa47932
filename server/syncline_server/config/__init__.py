"""Settings, credentials, secret files and networks: all that an operator configures."""
