"""Experiments with cluster pairs."""
