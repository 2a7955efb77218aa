"""For a training loop of your own: quadrature that follows the kinks, and integrals whose gradient is right."""
