"""Everything that Trainyard raises on purpose.

    TrainyardError
    ├── DeclarationError        a project or a setting cannot be used as written
    ├── ContractError           a data contract is wrong, not adopted, or does not match the data
    ├── AccessDenied            no grant in force covers what would be read
    ├── AuthorityError          the authority refused a decision, or its signature does not hold
    │   ├── UnknownId           there is no request, grant or contract of that name
    │   ├── DecisionUnusable    a decision lacks what it needs: a reason, days that may be
    │   └── DecisionConflict    what would be decided is decided, superseded, or not what was read
    ├── DataError               the data cannot be used: missing, corrupt, empty, duplicate keys
    │   ├── ValidationFailed    a critical expectation failed
    │   └── SourceUnavailable   the server that holds production data cannot be reached   (heals)
    ├── OutOfRoom               a step needs more memory or disk than it may take
    ├── FeatureLeak             a feature knows the future, or predicts too well to be true
    ├── TrainingError           a search cannot start or ended without a usable trial
    │   ├── ShardUnfinished     trials that were ordered elsewhere have no result yet (heals)
    │   └── MachineFault        where a shard is trained, no trial could be               (heals)
    ├── PodFailed               a training pod can never run, or ended without its results
    │   └── PodLost             it was taken away: evicted, drained, killed                   (heals)
    ├── ClusterUnavailable      the Kubernetes cluster cannot be reached                      (heals)
    ├── EngineUnavailable       the Spark cluster cannot be reached, or gave up                (heals)
    ├── RegistryError           a model bundle is missing, altered or not signed by us
    │   ├── Quarantined         what a model was made under is in quarantine, and no steward has lifted it
    │   ├── NothingToWatch      a watch was overtaken: another champion, or all days are judged
    │   └── RegistryUnavailable the registry's database or server cannot be reached       (heals)
    ├── StepCrashed             a step met an error that is none of ours: a bug
    │   └── StepDisconnected    a connection was lost or timed out within a step      (heals)
    ├── CodeChanged             the code moved under a running night
    ├── LeaseHeld               another night of the same project is running
    ├── LedgerError             the ledger refused: unknown kind, conflicting fact, stale fencing token
    │   ├── LedgerConflict      somebody else appended first: fold again and retry   (heals)
    │   └── LedgerUnavailable   the database cannot be reached                        (heals)
    └── StoreError              an artifact is missing or altered
        ├── AddressRefused      the store refuses an address that was signed for it       (heals)
        └── StoreUnavailable    the store cannot be reached or is full                (heals)

Each error says the rule, the value and the remedy, and knows whether a retry can heal it.
"""


class TrainyardError(Exception):
    """The root. ``retry_heals`` says whether the same call may succeed later without anyone's help."""

    retry_heals = False

    def __init__(self, rule: str, *, value: object, remedy: str) -> None:
        """*rule* is what must hold, *value* what was found instead (never a personal value), *remedy* what to do."""
        super().__init__(rule, value, remedy)
        self.rule, self.value, self.remedy = rule, value, remedy

    def __str__(self) -> str:
        return f"expected: {self.rule}; found: {self.value}. {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.rule, self.value, self.remedy)


def _rebuild(kind: type[TrainyardError], rule: str, value: object, remedy: str) -> TrainyardError:
    return kind(rule, value=value, remedy=remedy)


class DeclarationError(TrainyardError):
    """A project or a setting cannot be used as written."""


class ContractError(TrainyardError):
    """A data contract is wrong, not adopted, or does not match the data."""


class AccessDenied(TrainyardError):
    """No grant in force covers what would be read."""


class AuthorityError(TrainyardError):
    """The authority refused a decision, or its signature does not hold."""


class UnknownId(AuthorityError):
    """There is no request, grant or contract of that name."""


class DecisionUnusable(AuthorityError):
    """A decision lacks what it needs: a reason, a number of days that may be."""


class DecisionConflict(AuthorityError):
    """What would be decided is decided already, superseded, or no longer what was read."""


class DataError(TrainyardError):
    """The data cannot be used: missing, corrupt, empty, duplicate keys."""


class ValidationFailed(DataError):
    """A critical expectation failed."""


class SourceUnavailable(DataError):
    """The server that holds production data cannot be reached, or does not let us read."""

    retry_heals = True


class OutOfRoom(TrainyardError):
    """A step needs more memory than its project declares, or more disk than is free. The data may be right."""


class FeatureLeak(TrainyardError):
    """A feature knows the future, or predicts too well to be true."""


class TrainingError(TrainyardError):
    """A search cannot start, or ended without a usable trial."""


class ShardUnfinished(TrainingError):
    """Trials that were ordered elsewhere have no result yet: the shard runs again, and skips those that have one."""

    retry_heals = True


class MachineFault(TrainingError):
    """Where a shard is trained, no trial could be: no device, no memory, data that it cannot read. Nothing is recorded.

    On another machine, or later on this one, the same shard may be trained.
    """

    retry_heals = True


class PodFailed(TrainyardError):
    """A training pod can never run, or ended without its results."""


class PodLost(PodFailed):
    """A training pod was taken away before it had stored its results: evicted, drained, killed."""

    retry_heals = True


class ClusterUnavailable(TrainyardError):
    """The Kubernetes cluster cannot be reached, or does not let us do what we must."""

    retry_heals = True


class EngineUnavailable(TrainyardError):
    """The Spark cluster that features are computed on cannot be reached, or gave up what it was given."""

    retry_heals = True


class RegistryError(TrainyardError):
    """A model bundle is missing, altered or not signed by us."""


class Quarantined(RegistryError):
    """A model was made under a grant that a steward has put into quarantine: it is neither promoted nor served."""


class NothingToWatch(RegistryError):
    """A watch that had begun has nothing to judge any more: a new champion knows its days, or another watch did it."""


class RegistryUnavailable(RegistryError):
    """The registry's database or server cannot be reached."""

    retry_heals = True


class StepCrashed(TrainyardError):
    """A step met an error that is none of ours: a bug. Says where, and nothing of what the foreign error says."""


class StepDisconnected(StepCrashed):
    """A connection was lost or timed out within a step."""

    retry_heals = True


class CodeChanged(TrainyardError):
    """The code moved under a running night."""


class LeaseHeld(TrainyardError):
    """Another night of the same project is running."""


class LedgerError(TrainyardError):
    """The ledger refused: unknown kind, conflicting fact, stale fencing token."""


class LedgerConflict(LedgerError):
    """Somebody else appended first: fold the stream again and retry."""

    retry_heals = True


class LedgerUnavailable(LedgerError):
    """The ledger's database cannot be reached."""

    retry_heals = True


class StoreError(TrainyardError):
    """An artifact is missing or altered."""


class AddressRefused(StoreError):
    """An address for the store is refused by it, or not signed: its life, or that of its credentials, has ended."""

    retry_heals = True


class StoreUnavailable(StoreError):
    """The store cannot be reached, or is full."""

    retry_heals = True
