"""The audit of a model of several inputs: exact gradients along lines, with their standard errors."""
