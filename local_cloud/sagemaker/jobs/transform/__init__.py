"""Batch transform jobs; their instances are processes of the model server."""
