"""Fitted parametric models: their parameters, designs, predictions and gradients.

What is averaged over them lives with the delta method.
"""
