"""The Imaging Migration Portal: moves imaging documents into a private archive, and proves it."""

__version__ = "0.1.0"
