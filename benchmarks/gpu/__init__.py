"""Everything that a GPU decides, measured in one short run: `python -m benchmarks.gpu`."""
