"""A project, by the name under which scripts of 0.1 load it."""

from include.runtime.code.projects import load_project

__all__ = ["load_project"]
