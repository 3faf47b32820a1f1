"""SA-STF: semantic-adaptive residual diffusion (Zhang et al., CVPR 2026), our own code.

The architecture is the authors' (github ZZZhangjinsong/SA-STF, MIT); no line of theirs is here.
"""
