"""The loop that proposes trials and records what workers answer; knows no config file."""
