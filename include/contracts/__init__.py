"""Data contracts: what stewards promise about a dataset, and who decides over it.

:func:`load` reads one contract in the Open Data Contract Standard 3, :func:`read` one whose text was kept, and
:func:`load_folder` all of a folder: one that cannot be used stops only those who ask for it. :func:`require_adoptable`
refuses one that leaves open who is named by its columns, and :func:`not_understood` says what of one has no effect.
:func:`draft` proposes one for :class:`FileRows` that have none yet, which :func:`rows_of` finds in somebody's files.
"""

from include.contracts.adoption import not_understood, require_adoptable
from include.contracts.draft import draft
from include.contracts.loader import Contracts, load, load_folder, read
from include.contracts.rows import FileRows, rows_of

__all__ = [
    "Contracts",
    "FileRows",
    "draft",
    "load",
    "load_folder",
    "not_understood",
    "read",
    "require_adoptable",
    "rows_of",
]
