"""The zarr store of pairs: its files, its schema, how it is read and how it is checked."""
