"""The experiments of the paper, its claims judged by them, and sweeps over settings."""
