"""What is minimised: networks batched over seeds, their energies and the gradients of these."""
