"""What an installation consists of besides our own code: locked, with licences, in an SBOM.

Standard library only, so that any Python can run it; no part of what is installed.
"""
