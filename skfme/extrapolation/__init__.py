"""Which stepped rows leave the data: an envelope, or any outlier detector."""

from skfme.extrapolation._envelope import Envelope

__all__ = ["Envelope"]
