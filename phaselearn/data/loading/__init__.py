"""How pairs are served: data sets, batches, loaders, and crystals made on the fly."""
