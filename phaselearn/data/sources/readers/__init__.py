"""Readers of structure files, one module for each family of formats; `formats` chooses among them."""
