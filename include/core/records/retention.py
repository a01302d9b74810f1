"""What artifacts are kept for, and for how long."""

from enum import StrEnum


class ArtifactKind(StrEnum):
    """What a contract declares a time for, as its ``element`` of a ``retention`` says."""

    SNAPSHOT = "snapshot"  # rows as they were read, by day
    FEATURES = "features"  # features and labels by day, of nights and of watches
    TRAINING = "training"  # the binned rows that all trials of a search share
    PROFILE = "profile"  # how often values lie in which bins: of training rows, and of a watch's
    SCORES = "scores"  # a watch's predictions
    REPORT = "report"  # the pages of validations and of drift, and their figures
    MODEL = "model"  # a model, its bundle and reference, and the rows that a champion was made of
