"""Parts that displays share: axes, marks, layout, smooth lines, panels.

They draw arrays and labels; one of them reads a feature from an effect. What a display
shows, and of what, lives a room above.
"""
