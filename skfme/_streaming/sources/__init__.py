"""Where tables come from: files, streams, databases and clusters.

A source is told by what it offers, and no package is imported for it that is not there.
What is computed of a table is passed in.
"""
