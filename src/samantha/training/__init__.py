"""The school: how her models are raised. PyTorch lives here and nowhere else (the extra `train`)."""
