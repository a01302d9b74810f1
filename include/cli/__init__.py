"""The command line, ``./trainyard``. One module a concern; the work itself is done in the rooms below."""
