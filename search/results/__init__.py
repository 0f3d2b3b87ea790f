"""What the finished trials of a run show: its front, picks and importance; knows no files."""
