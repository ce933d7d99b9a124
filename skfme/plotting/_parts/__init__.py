"""Parts that displays share: axes, marks, texts, smooth lines, panels.

They draw arrays and labels; `features` reads a column of an effect's table. Which picture
is drawn of which results is decided by the displays, a room above.
"""
