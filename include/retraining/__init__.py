"""What becomes of what a watch finds: the series of judged days, and the retrainings that are asked for.

:mod:`~include.retraining.series` keeps each matured day as it was judged once, :mod:`~include.retraining.judges` says
by whom, :mod:`~include.retraining.asks` keeps what was asked for and its pace, and :mod:`~include.retraining.helped`
says whether it helped. All of it is read from the ledger: no data is opened here.
"""
