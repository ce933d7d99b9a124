"""Effects of tables larger than memory, batch by batch in one pass.

Batches are read and explained here, and their rows given up for summaries that merge.
"""
