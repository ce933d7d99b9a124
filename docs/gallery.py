"""What the gallery does before and after each example."""

import warnings
from contextlib import ExitStack

filters = ExitStack()


def refuse_warnings(gallery_conf, name, when):
    """Let an example fail that a reader would see a warning of."""
    filters.close()
    if when == "before":
        filters.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        for kind in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", kind)
