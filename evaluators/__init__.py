"""How good a model is; does not know that the model was merged."""
