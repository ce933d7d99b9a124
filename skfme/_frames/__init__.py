"""The table boundary: arrays and dataframes of any library behind one interface.

Only this room imports dataframe libraries. What a step changes, or a model predicts, lives
elsewhere.
"""
