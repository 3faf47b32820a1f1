"""Training on simulated worlds: a pool of them, triplets out of it, the loop."""
