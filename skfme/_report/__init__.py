"""Effects as one self-contained HTML page, and the sentences on it.

Numbers come from results; nothing is computed here but words and layout.
"""
