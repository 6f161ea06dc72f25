"""The outside, one thing a file, each behind a port of `samantha.core.ports`; heavy imports at opening."""
