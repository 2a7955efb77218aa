"""ReLU networks of any depth with two inputs: exact regions of a polygon, energies and gradients."""
