"""Exact effects and NLM of tree ensembles: every tree is walked once for all effects.

Readers turn the ensembles of several libraries into one set of arrays, which is checked
against the model and walked. Compiled loops over rows live in their own room.
"""
