"""`fit` and `regress`: settings, optimisers, what is looked at on the way, runs and checkpoints."""
