"""The `imgmig` command."""
