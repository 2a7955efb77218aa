"""`solve`, `certify` and `convergence`: the ReLU network of least energy of a width, who faces which way included."""
