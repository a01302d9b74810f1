"""What every room speaks: declarations, records, events, errors and digests. Imports nothing of the house."""
