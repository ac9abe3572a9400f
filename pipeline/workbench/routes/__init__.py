"""What the browser may ask for. No route takes a path of the disk."""
