"""Everything that is ever written into the ledger, one frozen dataclass a kind.

``kind`` and ``version`` are what the ledger stores beside the canonical bytes. A kind's fields never change once it is
published: a change is a new ``version`` and an upcaster in :mod:`include.ledger`. No event holds a personal value or a
token.

Each says its stream and, if it is a fact, the key under which it stands once, by the names in
:mod:`include.core.streams`. What has no key is an observation (an open, an attempt, a failure), recorded each time, or
is appended at the version of its stream that was read.

One file for each matter; all other code imports from here, and :mod:`include.ledger.kinds` finds the kinds here.
"""

from include.core.events.access import AccessGranted as AccessGranted
from include.core.events.access import AccessLapsed as AccessLapsed
from include.core.events.access import AccessRequested as AccessRequested
from include.core.events.access import AccessRevoked as AccessRevoked
from include.core.events.access import ArtifactOpened as ArtifactOpened
from include.core.events.access import ContractAdopted as ContractAdopted
from include.core.events.access import ContractKept as ContractKept
from include.core.events.access import DataOpened as DataOpened
from include.core.events.access import DataRead as DataRead
from include.core.events.access import QuarantineLifted as QuarantineLifted
from include.core.events.access import RequestDenied as RequestDenied
from include.core.events.event import Event as Event
from include.core.events.messages import MessageFailed as MessageFailed
from include.core.events.messages import MessageSent as MessageSent
from include.core.events.messages import MessageTried as MessageTried
from include.core.events.messages import RunTriggered as RunTriggered
from include.core.events.monitoring import DayJudged as DayJudged
from include.core.events.monitoring import DriftJudged as DriftJudged
from include.core.events.monitoring import FitRecorded as FitRecorded
from include.core.events.monitoring import HoldoutDaysRecorded as HoldoutDaysRecorded
from include.core.events.monitoring import ImportanceRecorded as ImportanceRecorded
from include.core.events.monitoring import LooksDeclared as LooksDeclared
from include.core.events.monitoring import LookTaken as LookTaken
from include.core.events.monitoring import PolicyDeclared as PolicyDeclared
from include.core.events.monitoring import ReferenceMade as ReferenceMade
from include.core.events.monitoring import RetrainingAsked as RetrainingAsked
from include.core.events.monitoring import RetrainingDeclined as RetrainingDeclined
from include.core.events.monitoring import RetrainingEnded as RetrainingEnded
from include.core.events.monitoring import RetrainingStarted as RetrainingStarted
from include.core.events.night import CodeKept as CodeKept
from include.core.events.night import DataValidated as DataValidated
from include.core.events.night import LeaseFreed as LeaseFreed
from include.core.events.night import LeaseReleased as LeaseReleased
from include.core.events.night import LeaseShortened as LeaseShortened
from include.core.events.night import LeaseTaken as LeaseTaken
from include.core.events.night import LineageEmitted as LineageEmitted
from include.core.events.night import LineageSentAgain as LineageSentAgain
from include.core.events.night import LineageSetAside as LineageSetAside
from include.core.events.night import PartitionsMade as PartitionsMade
from include.core.events.night import RunLate as RunLate
from include.core.events.night import RunStarted as RunStarted
from include.core.events.night import StepFailed as StepFailed
from include.core.events.night import StepFinished as StepFinished
from include.core.events.night import StepMeasured as StepMeasured
from include.core.events.night import StepReused as StepReused
from include.core.events.night import StepStarted as StepStarted
from include.core.events.retention import ArtifactsRemoved as ArtifactsRemoved
from include.core.events.retention import HoldLifted as HoldLifted
from include.core.events.retention import HoldPlaced as HoldPlaced
from include.core.events.retention import RetentionCarriedOut as RetentionCarriedOut
from include.core.events.training import ChampionRolledBack as ChampionRolledBack
from include.core.events.training import GateOverridden as GateOverridden
from include.core.events.training import GateOverrideEnded as GateOverrideEnded
from include.core.events.training import GatesDeclared as GatesDeclared
from include.core.events.training import HoldoutBacktested as HoldoutBacktested
from include.core.events.training import ModelEvaluated as ModelEvaluated
from include.core.events.training import ModelRegistered as ModelRegistered
from include.core.events.training import PodEnded as PodEnded
from include.core.events.training import PodMeasured as PodMeasured
from include.core.events.training import PromotionDecided as PromotionDecided
from include.core.events.training import PromotionsSigned as PromotionsSigned
from include.core.events.training import TrainerImageNamed as TrainerImageNamed
from include.core.events.training import TrainingOrdered as TrainingOrdered
from include.core.events.training import TrainingWaits as TrainingWaits
from include.core.events.training import TrialRecorded as TrialRecorded
from include.core.events.training import TrialsMeasured as TrialsMeasured
