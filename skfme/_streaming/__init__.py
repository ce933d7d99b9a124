"""Effects of tables larger than memory, batch by batch in one pass.

Batches are read and explained here, and only summaries of them are kept, which merge.
How one table is explained lives elsewhere.
"""
