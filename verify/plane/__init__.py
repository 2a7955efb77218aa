"""Exact in two inputs, one hidden layer: half planes in pairs on a polygon, the same results as in one input."""
