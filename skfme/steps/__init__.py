"""What changes: step objects, and the one reader of the user's step syntax.

What the training rows say of a column is read here too. How a step is applied to a table
and predicted lives in the engine.
"""

from skfme.steps._changes import Step
from skfme.steps._steps import IQR, Add, Apply, Contrast, Quantile, Scale, SetTo, StdDev

__all__ = [
    "IQR",
    "Add",
    "Apply",
    "Contrast",
    "Quantile",
    "Scale",
    "SetTo",
    "StdDev",
    "Step",
]
