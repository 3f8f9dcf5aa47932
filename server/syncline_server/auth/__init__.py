"""Authentication (logins, access tokens, API keys), grants and rate limits."""
