"""Words and small tables for people: numbers, units, labels, text and HTML tables.

What the numbers are, and whole sentences about them, live elsewhere.
"""
