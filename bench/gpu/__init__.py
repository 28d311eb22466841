"""The model server on an NVIDIA GPU, beside torch on the same card."""
