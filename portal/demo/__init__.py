"""The demo source: a make-believe imaging system that speaks the source contract.

A program of its own, for trying the product out, for its tests and for its benchmarks. It shares
no code with the portal: what the two have in common is only the contract on the wire.
"""
