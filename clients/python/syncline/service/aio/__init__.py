"""The async client of back ends, from which `scripts/generate-blocking` makes the blocking one."""
