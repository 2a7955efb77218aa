"""The energy as a function of free kinks: nodal values, Newton, starts, growth; `widths` makes networks of it."""
