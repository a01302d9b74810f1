"""Trainyard: models built, trained and retrained on production data, with stewards in the loop.

The rooms, from the top down:

- ``cli``: the command line; ``demo``: a year of flights and their chain of nights; ``notebook``: what a notebook calls
- ``runtime``: where steps run (its own tour names its rooms); ``settings``: the only reader of the environment
- ``audit``: what a model's record proves: its passport, the verifier that stands alone, the ledger's checkpoints
- ``steps``: the night and the watch, declared as plain data in ``steps.chain``, one function a step
- ``retraining``: what becomes of what a watch finds
- ``elsewhere``: training by a process that has an order and nothing else
- ``training``, ``registry`` and ``monitoring``
- ``learner``: families of models behind one protocol
- ``data``: the only reader of production data
- ``governance``: who may read what
- ``lineage``: what is reported of a run to OpenLineage; ``declared``: a project's code, compiled
- ``engines``: what runs it over a snapshot's rows
- ``contracts``
- ``ledger``: the memory; ``store``: artifacts
- ``core``: what everybody speaks

``projects`` holds what teams declare.
"""

import os

__version__ = "0.1.0"

# Libraries that report their use by default read these when they are first imported: nothing here phones home.
for _name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_name, "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
