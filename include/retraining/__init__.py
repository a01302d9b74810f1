"""What becomes of what a watch finds: the series of judged days, and the retrainings that are asked for.

:mod:`~include.retraining.series` keeps each matured day as it was judged once, :mod:`~include.retraining.judges` says
by whom. :mod:`~include.retraining.verdicts` keeps what was found under a policy, :mod:`~include.retraining.asks` what
it asked for and its pace, :mod:`~include.retraining.looks` how new champions do beside those before them, and
:mod:`~include.retraining.helped` says whether retraining helped. It reads and writes the ledger, and opens no data.
"""
