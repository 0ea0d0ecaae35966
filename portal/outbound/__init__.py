"""Where the portal connects to by itself: one rule for sources, proxies, channels and admins."""
