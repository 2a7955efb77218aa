"""Speed as ratios, measured in one run: `nox -s bench`. Nothing here asserts; what is wanted is printed beside."""
