"""Data contracts: what stewards promise about a dataset, and who decides over it.

:func:`load` reads one contract in the Open Data Contract Standard 3, and :func:`load_folder` all of a folder: one that
cannot be used stops only those who ask for it. :func:`draft` proposes one for Parquet files that have none yet.
"""

from include.contracts.draft import draft
from include.contracts.loader import Contracts, load, load_folder

__all__ = ["Contracts", "draft", "load", "load_folder"]
