"""The code that a run runs: a project loaded by name, its digest, and the copies kept of it."""
