"""Parts that displays share: axes, marks, layout, smooth lines, panels.

They know arrays and labels. What a display shows, and of what, lives a room above.
"""
