"""The experiments of the paper, and its claims judged by them."""
