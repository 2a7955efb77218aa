"""The audit of a model of several inputs: exact gradients by cells in the plane, and along lines elsewhere."""
