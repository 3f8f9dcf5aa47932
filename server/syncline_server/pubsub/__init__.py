"""Delivery of events from Redis to the subscribers of this process."""
