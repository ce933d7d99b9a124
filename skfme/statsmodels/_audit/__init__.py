"""Auditing that a model no longer responds to a feature: directly, through other features
or in what its predictions give away, for all rows and for few.
"""
