"""Exact in one input, one hidden layer: derivation, integrals, kinks, energy, gradient, Hessian, cross-check."""
