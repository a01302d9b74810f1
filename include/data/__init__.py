"""The data of a night: the only reader of production, what it froze, what was checked, and the features of it.

:mod:`~include.data.sources` reads a dataset day by day, :mod:`~include.data.snapshot` freezes what was known at an
instant, :mod:`~include.data.validation` checks it, :mod:`~include.data.features` builds point-in-time tables
from it, and :mod:`~include.data.live_rows` those of later days.
"""
