"""Models that were evaluated: whether one becomes champion, its signed bundle, and the registry that people look at.

``promotion.decide`` is the verdict, ``bundle`` packs and loads models, ``versions`` shows them in MLflow. Which version
is champion stands in the ledger; MLflow can be made again from it at any time.
"""
