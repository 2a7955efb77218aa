"""`solve`, `certify` and `convergence`: the ReLU network of least energy, by its free kinks."""
