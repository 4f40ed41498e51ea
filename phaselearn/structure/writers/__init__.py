"""Files of a candidate that other programs read: CIF, SHELX, maps and MTZ."""
