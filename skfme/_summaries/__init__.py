"""Weighted means, SDs and quantiles: of rows at hand, and of parts that merge.

Arrays only; what is summarized, and for whom, lives elsewhere.
"""
