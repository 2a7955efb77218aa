"""The plane in convex cells and rules on triangles: geometry, without a model."""
