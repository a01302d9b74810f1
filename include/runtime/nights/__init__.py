"""Nights, watches and scores in this process, and the platform that every runtime opens from the settings."""
