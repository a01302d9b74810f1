"""The platform, by the name under which scripts of 0.1 import it."""

from include.runtime.nights.platform import open_platform

__all__ = ["open_platform"]
