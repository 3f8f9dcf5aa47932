"""A browser for the tests in this directory."""

from support.browser_fixtures import browsing, chromium, chromium_path

__all__ = ["browsing", "chromium", "chromium_path"]
