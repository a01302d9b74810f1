"""Everything that is ever written into the ledger, one frozen dataclass a kind.

``kind`` and ``version`` are what the ledger stores beside the canonical bytes. A kind's fields never change once it is
published: a change is a new ``version`` and an upcaster in :mod:`include.ledger`. Facts carry an idempotency key;
observations (opens, attempts, failures) are recorded each time. No event holds a personal value or a token.

One file for each matter; all other code imports from here, and :mod:`include.ledger.kinds` finds the kinds here.
"""

from include.core.events.access import (
    AccessGranted,
    AccessLapsed,
    AccessRefused,
    AccessRequested,
    AccessRevoked,
    ArtifactOpened,
    ContractAdopted,
    ContractKept,
    DataOpened,
    DataRead,
    QuarantineLifted,
)
from include.core.events.event import Event
from include.core.events.messages import MessageFailed, MessageSent, MessageTried, RunTriggered
from include.core.events.monitoring import (
    DayJudged,
    DriftJudged,
    PolicyDeclared,
    ReferenceMade,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingEnded,
    RetrainingStarted,
)
from include.core.events.night import (
    DataValidated,
    LeaseFreed,
    LeaseReleased,
    LeaseShortened,
    LeaseTaken,
    LineageEmitted,
    PartitionsMade,
    RunLate,
    RunStarted,
    StepFailed,
    StepFinished,
    StepReused,
    StepStarted,
)
from include.core.events.retention import ArtifactsRemoved, HoldLifted, HoldPlaced, RetentionCarriedOut
from include.core.events.training import (
    ChampionRolledBack,
    GatesDeclared,
    HoldoutBacktested,
    ModelEvaluated,
    ModelRegistered,
    PodEnded,
    PromotionDecided,
    PromotionsSigned,
    TrainingOrdered,
    TrainingWaits,
    TrialRecorded,
)

__all__ = [
    "AccessGranted",
    "AccessLapsed",
    "AccessRefused",
    "AccessRequested",
    "AccessRevoked",
    "ArtifactOpened",
    "ArtifactsRemoved",
    "ChampionRolledBack",
    "ContractAdopted",
    "ContractKept",
    "DataOpened",
    "DataRead",
    "DataValidated",
    "DayJudged",
    "DriftJudged",
    "Event",
    "GatesDeclared",
    "HoldLifted",
    "HoldPlaced",
    "HoldoutBacktested",
    "LeaseFreed",
    "LeaseReleased",
    "LeaseShortened",
    "LeaseTaken",
    "LineageEmitted",
    "MessageFailed",
    "MessageSent",
    "MessageTried",
    "ModelEvaluated",
    "ModelRegistered",
    "PartitionsMade",
    "PodEnded",
    "PolicyDeclared",
    "PromotionDecided",
    "PromotionsSigned",
    "QuarantineLifted",
    "ReferenceMade",
    "RetentionCarriedOut",
    "RetrainingAsked",
    "RetrainingDeclined",
    "RetrainingEnded",
    "RetrainingStarted",
    "RunLate",
    "RunStarted",
    "RunTriggered",
    "StepFailed",
    "StepFinished",
    "StepReused",
    "StepStarted",
    "TrainingOrdered",
    "TrainingWaits",
    "TrialRecorded",
]
