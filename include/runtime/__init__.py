"""Where the steps run; the only room that knows Airflow and Kubernetes. From the top down:

``doctor`` (what a night will need, tried now), ``server`` (the stewards' authority and the pages), ``upkeep`` (what
keeps order between nights) beside ``embedded`` (an Airflow of our own), ``airflow`` (what Airflow runs), ``nights``
(nights in this process), ``trainers`` (where training is done), ``pods`` (of a cluster), and ``code`` (what a run runs,
and the copies kept of it). ``deployment`` is what all of them stand on: folders and keys. ``pinned`` is started by name
in a kept copy of the code, and imported by none; ``local``, ``projects`` and ``scoring`` are names that scripts of 0.1
import.
"""
