"""Training by a process that has one order and nothing else: no ledger, no store, no credentials.

:mod:`~include.elsewhere.document` is the order, :mod:`~include.elsewhere.pod` the process that carries it out,
:mod:`~include.elsewhere.transfer` how it reaches its inputs and results, :mod:`~include.elsewhere.under_way` what it
keeps of these meanwhile, and :mod:`~include.elsewhere.results` what comes back, held against the plan.
"""
