"""Who a caller is: tokens, API keys, grants, rate limits."""
