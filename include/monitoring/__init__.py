"""How a champion does on rows that came after it.

:mod:`~include.monitoring.profile` counts rows into bins, :mod:`~include.monitoring.figures` says how a model did on a
day and what later days are held against, :mod:`~include.monitoring.verdict` judges the figures under a declared policy,
:mod:`~include.monitoring.report` has Evidently explain what moved, and :mod:`~include.monitoring.page` keeps its page.
Nothing here reads or records anything else.
"""
