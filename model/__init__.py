"""Numbers only: networks, diffusion, naive methods.  Takes and returns numpy arrays."""
