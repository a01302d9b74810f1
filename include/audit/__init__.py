"""What a model's record proves, to someone who trusts nobody.

Start at :mod:`include.audit.passport`; :mod:`include.audit.verifier` stands alone, and reads what that writes.

That the ledger is what it was:

- ``proofs``: what a verifier needs, and nothing else: Merkle proofs, checkpoints, signed notes
- ``tree``: the Merkle tree over the ledger's events, and the proofs that it makes
- ``places`` and ``tiles``: where checkpoints and the tree's hashes are published, and how they lie there
- ``checkpoints``: what the authority signs of the ledger
- ``verification``: the walk over ledger, tree and checkpoints, which names the first thing that is not as recorded
- ``witness``: who watches from outside that the ledger has one past only
"""
