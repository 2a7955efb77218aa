"""Numerics without a model: the plane in convex cells, rules on triangles, poles of integrands."""
