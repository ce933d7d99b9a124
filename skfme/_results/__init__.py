"""What explaining a table returns: effects, their averages, profiles over step sizes.

Results hold arrays and the table, never a model. Pictures and inference live elsewhere.
"""
