"""Draws pictures from prompts: conditioning, samplers, second pass, upscalers."""
