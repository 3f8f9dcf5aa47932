"""What every HTTP exchange passes through."""
