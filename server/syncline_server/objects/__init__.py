"""What a caller may do with the objects of a service."""
