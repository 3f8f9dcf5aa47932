"""From a commit in Redis to the subscribers of this process."""
