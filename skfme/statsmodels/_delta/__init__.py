"""Average effects of parametric models with delta-method standard errors.

Here are the averages, their derivatives, and whether they are identified. How a fitted
model is read lives with the models.
"""
