"""What our processes log: one record a line, redacted, as text for people or JSON for collectors.

:mod:`starting` sets a process up, :mod:`context` says what a thread works for, :mod:`redaction`
knows the secrets of this installation, :mod:`lines` makes the lines.
"""
