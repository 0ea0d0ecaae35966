"""What goes through the queue: ids only, may run twice or never."""
