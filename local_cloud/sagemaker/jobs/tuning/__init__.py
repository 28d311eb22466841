"""Tuning jobs; their trials are training jobs."""
