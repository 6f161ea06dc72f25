"""The vocabulary of Samantha. Standard library only; imports nothing else of the package."""
