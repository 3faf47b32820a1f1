"""How good the methods are here: real fine dates are hidden, fused blind, and compared.

    hide.py      what is hidden with a date, and what is known of the region without it
    targets.py   which dates are held out on which tiles, and what each is fused from
    asked.py     a method that is to answer
    held_out.py  a target fused by several methods and compared: a task for any worker
    seen.py      which dates the weights of a method have seen already
    answers.py   what has been answered, kept on disk
    moments.py, ratios.py, sums.py  scores that add up
    table.py, intervals.py          their rows
    choice.py    which dates choose, and which method ``auto`` takes by them
    widen.py     by how much the uncertainty of a method is multiplied, by the same dates
    decide.py    both, once, and kept
    result.py, report.py, plot.py   what it came to
    stage.py     all of it: what ``daily30 validate`` and every run do

The truth is what the fine sensor saw clear that day; all methods are scored on the same pixels.
"""

from pipeline.validate.moments import Moments

__all__ = ["Moments"]
