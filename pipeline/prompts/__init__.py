"""Prompts, and the infotexts that say how a picture was drawn. Without torch."""
