"""How good a model is; does not know that it was merged."""
