"""Declared projects, one folder each. A project imports only :mod:`include.core`, and Ibis inside its functions."""
