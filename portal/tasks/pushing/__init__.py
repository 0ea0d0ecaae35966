"""Pushing archived documents on to targets: what a pusher process does."""
