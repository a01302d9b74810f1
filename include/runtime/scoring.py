"""The champion, by the name under which scripts of 0.1 load it."""

from include.runtime.nights.scoring import load_champion

__all__ = ["load_champion"]
