"""One module a stage of dvc.yaml, all of one shape: load the config, read, call the library, write."""
