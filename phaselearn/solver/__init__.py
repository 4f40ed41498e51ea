"""The phaser: a network that turns amplitudes into phases by cycles between real and reciprocal space."""
