"""STFDiff: noise-conditioned diffusion (Huang et al., Information Fusion 2024), our own code.

The architecture is described in the authors' repository (github huang-he99/STF, which has no
licence); no line of theirs is here.  No trained weights are public, and none come with daily30.
"""
