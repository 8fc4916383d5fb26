"""X-ray <-> codes: autoencoder, quantiser, losses, discriminator."""
