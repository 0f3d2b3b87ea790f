"""What a config file says, with every error in it at once; knows no run and starts nothing."""
