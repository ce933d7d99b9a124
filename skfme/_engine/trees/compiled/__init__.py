"""Loops over rows, trees and nodes that numba compiles.

They see arrays and named tuples of arrays only, never a model or a table.
"""
