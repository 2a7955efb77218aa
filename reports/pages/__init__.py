"""Figures and pages of the PDF reports, all in one style."""
