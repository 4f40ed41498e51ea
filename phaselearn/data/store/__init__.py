"""The zarr store of pairs: its files, its schema, its readers and its checks."""
