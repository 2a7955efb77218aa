"""The problem's data for numerics: torch functions, panels, tables of moments, Gauss rules."""
