"""Where the placed steps of a night are done: the port, and what stands behind it.

:mod:`~include.runtime.trainers.port` says what every runtime asks of such a place, and has the table of them, each a
module beside it.
"""

from include.runtime.trainers.port import Note, OnTraining, Trainer, trainer_of

__all__ = ["Note", "OnTraining", "Trainer", "trainer_of"]
