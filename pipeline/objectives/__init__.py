"""Training objectives: noise levels, noisy latents, targets, and weights of errors."""
