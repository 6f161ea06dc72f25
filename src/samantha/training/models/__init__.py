"""The networks, each in one file that reads as the architecture."""
