"""HTTP pages and endpoints of the portal."""
