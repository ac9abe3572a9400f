"""HTML pages: each is one file that opens from disk, without a server or a network."""
