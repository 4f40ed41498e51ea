"""Loading of pairs: data sets, batches, loaders, and crystals made on the fly."""
