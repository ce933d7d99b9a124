"""A joint step split among its features: which change did it, for each row.

Shapley values, parts along the straight path and parts in an order, exact where the
engine reads the model. How trees are walked, and what an effect is, live elsewhere.
"""
