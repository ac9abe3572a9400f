"""Pictures from prompts: conditioning, samplers, passes."""
