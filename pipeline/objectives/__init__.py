"""What a denoiser learns: noise levels, noisy latents, the expected answer, and how its error counts."""
