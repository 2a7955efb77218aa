"""Fourth order, exact in one input: energies ½EI u″² − f u of networks of powers of ReLU, one hidden layer."""
