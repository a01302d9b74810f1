"""What runs a project's expressions over the rows of a snapshot.

:mod:`~include.engines.relations` holds the snapshot's tables, :mod:`~include.engines.late_values` says what of them is
known at an instant, :mod:`~include.engines.confinement` what a project's query can reach.
"""
