"""What to try next, and what came of it; knows nothing of tensors, Ray or lm-eval."""
