"""Types and codecs that Syncline's clients and server share."""

__version__ = "0.1.0"
