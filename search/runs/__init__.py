"""What a person does with a run: start, resume, inspect, export; knows no terminal."""
