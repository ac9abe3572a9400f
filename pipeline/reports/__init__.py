"""Pages for people to look at: each one file that opens from disk, without a server or a network."""
