"""Self-contained oracle files in NumPy and C: what SymPy derives, printed with the numerics around it."""
