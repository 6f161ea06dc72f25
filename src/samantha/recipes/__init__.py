"""Runs that raise a model from data: each a file whose functions are its stages, and whose result says what came of it."""
