"""Scorers over effects, for searches, and metrics of effects."""

from skfme.metrics._scores import *  # noqa: F403
from skfme.metrics._scores import __all__
