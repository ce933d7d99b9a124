"""Tests of properties have no deadline: how long they take says nothing of the code."""

from hypothesis import settings

settings.register_profile("skfme", deadline=None, max_examples=60)
settings.load_profile("skfme")
