"""Runs that raise a model from data: each a file whose functions are its stages; its result says what came of it."""
