"""What a run optimises, and how points compare by it: dominance and hypervolume; knows no trial."""
