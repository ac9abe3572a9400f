"""Grids of pictures: axes, drawing, scoring, layout, and the choice of the best network."""
