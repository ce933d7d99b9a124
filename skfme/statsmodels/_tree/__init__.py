"""Trees over effects: growing, split tests, pruning, rules and stability.

The effects are given; intervals of the leaves live elsewhere.
"""
