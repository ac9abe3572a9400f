"""The run on one page: what was trained, whether it is good, which file to use, at which weight."""
