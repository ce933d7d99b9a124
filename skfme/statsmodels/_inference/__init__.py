"""One protocol for every estimate with an uncertainty: tests, intervals, contrasts.

It works on estimates and their covariance alone. Where these come from lives elsewhere.
"""
