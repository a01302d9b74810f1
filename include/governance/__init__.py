"""Who may read what: requests, decisions signed by the authority, and the vault that opens nothing without them.

``access`` answers whether a scope may be read now; ``authority`` decides, with the only key that can sign a grant;
``vault`` holds every artifact with personal data; ``pseudonyms`` replaces join keys by tokens; ``signing`` makes and
checks the envelopes; ``secrets`` keeps the keys' files.
"""
