"""Models written in JAX: told in torch for the exact side, with JAX's own gradient of the sum under audit."""
