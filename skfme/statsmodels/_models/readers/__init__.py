"""Models of other packages than statsmodels, read for the delta method.

Each package has a file, which imports nothing of it: a model is told by the module of its
class. What its users can read of it is used, and what is rebuilt is compared with its own
predictions before anything is returned.
"""
