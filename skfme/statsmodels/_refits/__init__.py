"""Uncertainty that takes refits: bootstrap, cross-fitting, the ledger, honest regions.

How one fit's effects are averaged and tested lives elsewhere.
"""
