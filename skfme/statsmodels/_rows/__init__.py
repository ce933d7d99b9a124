"""Rows that take part in inference: which count, their weights, groups and clusters.

Estimates are made elsewhere.
"""
