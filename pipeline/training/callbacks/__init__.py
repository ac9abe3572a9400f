"""Lightning callbacks: checkpoints, metrics, validation, samples, logs, files, progress."""
