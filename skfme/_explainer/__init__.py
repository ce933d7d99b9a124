"""FMEExplainer: fitting, explaining, and what it passes on to its model.

How effects are computed, what they are, and how a stream is read lives elsewhere.
"""
