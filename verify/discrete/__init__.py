"""What a grid, a quadrature rule and a discrete delta make of the gradient."""
