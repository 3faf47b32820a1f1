"""Any methods on any sets, every score on the same pixels: what ``daily30 evaluate`` does.

    choices.py     what is asked for: sets, methods, pictures
    sets.py        a set as scenes, opened one at a time: real_sets of pipeline,
                   scene_folder.py (CIA, LGC, AHB, a region's triplets), worlds.py (simulated),
                   season.py (their consecutive days), region.py (a region's own dates, held out)
    contenders.py  a method with its label, its training, and whether a set may be scored with it
    answers.py     a method on a scene: the fused image on disk, with what it cost (cost.py)
    scores.py      an answer against the truth; scored.py: all answers of a scene
    roughness.py   all answers of a season: do they flicker or jump?
    store.py       where all that lies, and whether it is still true; code.py: of which code
    plan.py        what is to be done for a set; run.py: what is missing of it is computed

    rows.py        scores pooled by set and group, the gain over ``anomaly`` (pipeline.bootstrap)
    groups.py      all of a group; result.py: of all sets
    published.py   numbers of others on the same pixels by the same definitions
    days.py        dates, or days of a season where there is no calendar
    tables.py      rows as tables; document.py, markdown.py, html.py: what a report is made of
    report.py      the report; pictures.py: its pictures, drawn by panels.py and charts.py;
                   series.py: pixels through time; numbers.py: all digits as CSV

A scene and a method are an address.  Its answer is written first and then, whole, the file that
says of what it is the answer; so a run that is killed loses what it was at, and the same command
goes on.  Answers of other images, weights or code are made anew.
"""
