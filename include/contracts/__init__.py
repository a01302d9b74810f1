"""Data contracts: what stewards promise about a dataset, and who decides over it.

:func:`load` reads one contract in the Open Data Contract Standard 3, :func:`load_folder` all of a folder, and
:func:`draft` proposes one for Parquet files that have none yet.
"""

from include.contracts.draft import draft
from include.contracts.loader import load, load_folder

__all__ = ["draft", "load", "load_folder"]
