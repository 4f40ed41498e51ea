"""Readers of structure files; one file a family of formats, and `formats` says which file is for which."""
