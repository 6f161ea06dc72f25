"""Decisions: pure functions of values from `samantha.core`. No I/O, no native library."""
