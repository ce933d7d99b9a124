"""Exact effects and NLM of linear models and of pipelines that end in one.

Closed forms only; what the models' coefficients multiply is read here, too. How an engine
is chosen, and models that are no sums of columns, live elsewhere.
"""
