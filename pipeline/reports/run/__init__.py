"""The run on one page: what was trained, whether it is good, which file to take, at which strength."""
