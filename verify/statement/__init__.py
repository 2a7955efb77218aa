"""What is asked: text and SymPy, problems, energy densities, networks and the blocks of their parameters."""
