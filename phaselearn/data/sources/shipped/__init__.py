"""Structures that come with the project, each a CIF with the module that writes it."""
