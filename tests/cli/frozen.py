"""Imported last by the process that commands are forked from: none of them copies its memory to collect garbage."""

import gc

gc.collect()
gc.freeze()
