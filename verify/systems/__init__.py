"""The audit of AD systems: one backend a file, the refinement study of each, what was found and its record."""
