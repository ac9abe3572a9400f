"""What a training will do and cost, before it does it."""
