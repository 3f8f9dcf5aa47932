"""Settings, credentials and what else an operator configures."""
