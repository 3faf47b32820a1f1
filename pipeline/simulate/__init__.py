"""Files of simulated scenes, as the providers would have them; used by ``pipeline.sample``."""
