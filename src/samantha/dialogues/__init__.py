"""Written conversations: their shape, what is checked in them, and other programs' files read into that shape.

A file holds one JSON object a line. Not here: the conversations that journals keep, or what is trained on these.
"""
