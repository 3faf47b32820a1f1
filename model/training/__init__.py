"""Training: sources of examples, a pool of simulated worlds among them, and the loop."""
