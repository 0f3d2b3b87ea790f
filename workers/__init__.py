"""How a candidate becomes a model, and on which machine; knows neither Optuna nor objectives."""
