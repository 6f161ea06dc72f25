"""The school: how her models are raised. PyTorch lives here and nowhere else (`pip install samantha-companion[train]`)."""
