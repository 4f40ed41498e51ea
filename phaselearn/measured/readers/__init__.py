"""Readers of reflection files, one module for each format; `reading` chooses among them."""
