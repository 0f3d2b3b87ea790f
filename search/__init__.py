"""Searches for good recipes and reports the results; knows nothing of tensors, Ray or lm-eval."""
