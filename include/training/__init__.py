"""A search in seeded rounds, its trials, and the evaluation of the best of them.

``search.plan`` draws every trial of a round and bins the data once; ``trial.train_shard`` trains one shard, in any
process, and records what comes out; ``refit`` trains the best trial again, in any process too, and
``evaluation.evaluate`` scores it on days that nobody has touched. All are functions of digests: the same inputs give
the same bytes.
"""
