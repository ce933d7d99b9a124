"""What a step changes."""

from skfme.steps._steps import *  # noqa: F403
from skfme.steps._steps import __all__
