"""Regressions of effects: designs, least squares, sandwich covariances, mixed models.

Effects are given; models are never refitted here.
"""
