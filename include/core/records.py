"""The values that cross rooms. Frozen, keyword-only, encodable by :mod:`include.core.canonical`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from include.core.errors import DataError
from include.core.project import Expectation, Objective, Severity, Window

DAY = timedelta(days=1)


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def last_day(instant: datetime) -> date:
    """The last UTC day that had ended at *instant*."""
    return (instant.astimezone(UTC) - DAY).date()


def day_start(day: date) -> datetime:
    """00:00 UTC of *day*."""
    return datetime.combine(day, time(), tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Days:
    """Whole UTC days from ``first`` to ``last``, both inclusive."""

    first: date
    last: date

    def __iter__(self):  # type: ignore[no-untyped-def]  # an iterator of dates; the annotation would shadow `date`
        return (self.first + offset * DAY for offset in range(len(self)))

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


def window_days(window: Window, last_matured: date) -> Days:
    """The days that *window* may hold if it ends on *last_matured* (inclusive)."""
    first = last_matured - (window.days - 1) * DAY
    return Days(first=first if window.since is None else max(first, window.since), last=last_matured)


@dataclass(frozen=True, kw_only=True)
class Split:
    """The three stretches of a window, in time order."""

    train: Days
    validation: Days
    holdout: Days

    @classmethod
    def of(cls, window: Window, last_matured: date) -> "Split":
        """The split of *window* that ends on *last_matured* (inclusive).

        Raises:
            DataError: no day is left to train on after those to validate and to hold out.
        """
        holdout = Days(first=last_matured - (window.holdout_days - 1) * DAY, last=last_matured)
        validation = Days(first=holdout.first - window.validation_days * DAY, last=holdout.first - DAY)
        train = Days(first=window_days(window, last_matured).first, last=validation.first - DAY)
        if not len(train):
            raise DataError(
                "a window holds at least one day to train on",
                value=f"none from {train.first} to {train.last}",
                remedy="Choose a later instant, or an earlier `since` of the window.",
            )
        return cls(
            train=train,
            validation=validation,
            holdout=holdout,
        )


# ── contracts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Treatment(StrEnum):
    """What the reader does to a column before anyone sees it."""

    CLEAR = "clear"
    TOKEN = "token"  # noqa: S105 -- a treatment, no password: keyed HMAC, one key per purpose: joins still work, values are gone
    DROP = "drop"  # direct identifiers: never read


#: How a contract classifies a column whose values stay within the boundary, and each that nobody has classified.
RESTRICTED = "restricted"


class ColumnType(StrEnum):
    """Physical types that production data may have, each read as one Arrow type."""

    STRING = "string"  # string
    INTEGER = "integer"  # int64
    NUMBER = "number"  # float64
    BOOLEAN = "boolean"  # bool
    TIMESTAMP = "timestamp"  # timestamp[us], UTC, without a zone in the file
    DATE = "date"  # date32


@dataclass(frozen=True, kw_only=True)
class KnownAt:
    """When a value becomes known: the row's time in ``column`` plus ``offset``; ``column=None``: always known."""

    column: str | None
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a contract. ``classification`` is ``restricted`` where the contract does not say."""

    name: str
    type: ColumnType
    classification: str
    treatment: Treatment
    known_at: KnownAt
    required: bool
    key: bool
    description: str


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A data contract as its stewards wrote it; ``digest`` is that of the file's bytes.

    ``partition_column`` (a timestamp) places a row in a UTC day; ``None``: the dataset is one undivided table.
    ``matures_after_days``: a day's values are all known that many days after the day has ended.
    ``replay_days``: the source repeats its recorded days with that period (0: it does not).
    ``location`` is the folder of the Parquet files, as written in the contract.
    """

    dataset: str
    version: str
    digest: str
    columns: tuple[Column, ...]
    stewards: tuple[str, ...]
    location: str
    partition_column: str | None
    matures_after_days: int
    freshness_hours: float | None
    replay_days: int
    retention_days: Mapping[str, int]
    expectations: tuple[Expectation, ...]

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)


# ── access ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class DatasetScope:
    """What a project reads of one dataset: columns (sorted by name) with their treatment, and how far back.

    ``window_days`` counts back from the run's instant; ``None``: all rows of an undivided table.
    """

    dataset: str
    contract_digest: str
    columns: tuple[tuple[str, Treatment], ...]
    window_days: int | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a project reads, derived from its compiled expressions; independent of any instant."""

    project: str
    purpose: str
    datasets: tuple[DatasetScope, ...]

    def dataset(self, name: str) -> DatasetScope | None:
        return next((scope for scope in self.datasets if scope.dataset == name), None)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A steward's permission to read one dataset, signed by the authority.

    It holds from ``not_before`` (inclusive) to ``expires_at`` (exclusive), for the contract and purpose that it names.
    """

    grant_id: str
    request_id: str
    project: str
    purpose: str
    scope: DatasetScope
    not_before: datetime
    expires_at: datetime
    requester: str
    steward: str
    reason: str

    def covers(self, scope: DatasetScope, *, purpose: str, now: datetime) -> bool:
        """Whether *scope* may be read for *purpose* at *now* (UTC): same contract, no column and no day more."""
        if scope.window_days is None or self.scope.window_days is None:
            window = scope.window_days == self.scope.window_days
        else:
            window = scope.window_days <= self.scope.window_days
        return (
            window
            and purpose == self.purpose
            and scope.dataset == self.scope.dataset
            and scope.contract_digest == self.scope.contract_digest
            and set(scope.columns) <= set(self.scope.columns)
            and self.not_before <= now < self.expires_at
        )


# ── the night's manifests: each an artifact without personal values, named by the digest of its bytes ────────────────


@dataclass(frozen=True, kw_only=True)
class Run:
    """One night of one project. ``instant`` is what the data knew; ``fence`` the lease's token.

    ``fence`` is 0 for a run that holds no lease: one that reads and scores beside a night, and registers nothing.
    """

    project: str
    run_id: str
    instant: datetime
    code_digest: str
    declaration_digest: str
    fence: int


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One Parquet file in the vault.

    ``table`` is a dataset or a feature group, ``day`` its UTC day (``None``: an undivided table). ``inputs`` is the
    digest of all that decided its bytes, ``content`` the digest of its bytes. ``complete``: no value in it was still
    unknown for its day at the instant it was made.
    """

    table: str
    day: date | None
    inputs: str
    content: str
    rows: int
    size_bytes: int
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was known at ``instant``, frozen. ``partitions`` are sorted by table and day.

    A function of the source, the scope and the instant alone: what was reused and what was read anew stands in the
    receipts, not here.
    """

    project: str
    instant: datetime
    scope: Scope
    days: Days
    last_matured: date
    partitions: tuple[Partition, ...]

    def of(self, table: str) -> tuple[Partition, ...]:
        return tuple(partition for partition in self.partitions if partition.table == table)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One expectation's outcome. ``days`` names the days that failed it (empty: it is about the window).

    Counts only, never a value: ``unexpected`` rows of ``rows``.
    """

    dataset: str
    expectation: str
    column: str | None
    severity: Severity
    success: bool
    rows: int | None
    unexpected: int | None
    days: tuple[date, ...]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All outcomes of a snapshot's checks. ``report`` is the digest of the HTML page.

    ``covered`` are the contents of the complete partitions that no earlier night had checked with the same expectations
    (``expectations`` is their digest). Those that are not complete are checked beside them, and again when they are.
    """

    snapshot: str
    expectations: str
    covered: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    report: str

    def failed(self, severity: Severity) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if not check.success and check.severity is severity)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """A feature column. ``categories``: its values in their order, if it is categorical.

    Null has no code, nor have values that few rows have: manifests are kept in the open. ``definition`` is the digest
    of its group's: a feature of the same name and another definition is another feature.
    """

    name: str
    group: str
    definition: str
    categories: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Point-in-time feature tables and labels by day, and the columns that a model sees, in their order.

    Partitions of each group and of the table ``label``, sorted by table and day. ``label`` is the digest of the label's
    definition. ``probed`` lists the instants for which the truncation law was checked in this night.
    """

    snapshot: str
    objective: Objective
    key: tuple[str, ...]
    label: str
    features: tuple[FeatureSpec, ...]
    split: Split
    partitions: tuple[Partition, ...]
    probed: tuple[datetime, ...]

    def of(self, table: str) -> tuple[Partition, ...]:
        return tuple(partition for partition in self.partitions if partition.table == table)


Params = Mapping[str, float | int | str | bool]


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A trial before it runs. ``trial_id`` is a digest of all that decides its result."""

    trial_id: str
    params: Params


@dataclass(frozen=True, kw_only=True)
class Shard:
    """All that training one shard of a :class:`Plan` needs to know; the fields are those of the plan."""

    objective: Objective
    binned: str
    binned_validation: str
    trials: tuple[PlannedTrial, ...]
    rungs: tuple[int, ...]
    reduction: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One round of a search.

    ``binned`` and ``binned_validation`` are the vault's digests of the LightGBM data sets that all trials share: the
    rows that train, and those that choose among trials.

    ``task`` is the digest of what is learnt: losses of plans of one task may be compared. ``warm`` are the trial ids of
    earlier instants that the sampler had seen. ``shards`` cuts ``trials`` by index.
    """

    features: str
    task: str
    objective: Objective
    binned: str
    binned_validation: str
    trials: tuple[PlannedTrial, ...]
    shards: tuple[tuple[int, ...], ...]
    rungs: tuple[int, ...]
    reduction: int
    seed: int
    warm: tuple[str, ...]

    def shard(self, number: int) -> Shard:
        """The shard ``shards[number]``."""
        return Shard(
            objective=self.objective,
            binned=self.binned,
            binned_validation=self.binned_validation,
            trials=tuple(self.trials[index] for index in self.shards[number]),
            rungs=self.rungs,
            reduction=self.reduction,
            seed=self.seed,
        )


class TrialState(StrEnum):
    COMPLETE = "complete"  # reached the last rung
    PRUNED = "pruned"  # halving stopped it
    FAILED = "failed"  # raised; the error is recorded


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial's outcome. ``losses`` are the validation losses by rung, in the rungs' order; lower is better.

    ``rounds`` is how far it trained, ``loss`` the lowest of its losses: more rounds may make a model worse.
    """

    trial_id: str
    params: Params
    state: TrialState
    losses: tuple[float, ...]
    rounds: int
    error: str | None

    @property
    def loss(self) -> float | None:
        return min(self.losses, default=None)


@dataclass(frozen=True, kw_only=True)
class ResultAddresses:
    """Where one result is written, once (``PUT`` with the header ``If-None-Match: *``), and read. Secrets."""

    write: str = field(repr=False)
    read: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A shard to be trained by a process that reaches nothing but what the *document* names, until ``expires_at``.

    ``order_id`` is the same however often the shard of this run and plan is ordered; ``digest`` is that of the
    document's bytes. The document is a secret, the only one that the process is given: it is in no log, event or file
    of ours.
    """

    order_id: str
    digest: str
    document: bytes = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A paired difference candidate minus champion, and its one-sided 95 % bounds, whole days resampled."""

    estimate: float
    lower: float
    upper: float
    days: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The refitted best trial on the untouched holdout, beside the champion on the same rows.

    Metrics by name (``log_loss``, ``auc``; ``mae``, ``rmse``). ``model`` is the vault's digest of the model text.
    ``champion`` is the version compared with, ``None`` for a first model. ``compared`` are the holdout's days that it
    has not learnt (none: the first is after the last), ``compared_metrics`` and ``champion_metrics`` the two models' on
    these; ``None``: there is no champion, or what it was made for or from is defined otherwise now.
    """

    plan: str
    features: str
    objective: Objective
    trial_id: str
    params: Params
    model: str
    metrics: Mapping[str, float]
    champion: int | None
    compared: Days | None
    compared_metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    difference: Interval | None
    holdout: Days
    rows: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the candidate becomes champion, and every reason, for and against."""

    promote: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A registered model version. ``bundle`` is the digest of the signed bundle's manifest."""

    evaluation: str
    version: int
    bundle: str
    verdict: Verdict


# ── the watch: how a champion does on days that came after it ─────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """How often the values of a column lie in each of its bins, nulls beside; of numbers or of categories.

    ``edges`` (rising, n) cut numbers into n + 1 bins, each holding its upper edge: the last has none, and no extreme is
    told. ``categories`` (n) are counted each, and all others in one last bin. ``counts`` (n + 1) and ``nulls`` are 0 or
    at least 20, and add up to all rows: smaller groups are counted with a neighbour.
    """

    name: str
    edges: tuple[float, ...] | None
    categories: tuple[str, ...] | None
    counts: tuple[int, ...]
    nulls: int


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The columns of the rows of the days ``first`` to ``last`` (both inclusive), sorted by name.

    Fewer than 20 rows are told of as none. It holds personal data all the same, and is kept in the vault.
    """

    first: date
    last: date
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """How the champion did on one day whose labels have all matured.

    All are means over its ``rows`` (at least 20) with a label. ``loss`` is the deciding one (log loss, absolute error),
    ``expected_loss`` what the model itself expected of its predictions; ``None`` for a regression, which does not say.
    """

    day: date
    rows: int
    loss: float
    expected_loss: float | None
    mean_score: float
    mean_label: float


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What later days are held against, made once for every registered model and kept in the vault.

    ``evaluation`` is the digest of the model's :class:`Evaluation`. ``learnt`` profiles the features of the rows that
    the model learnt; ``holdout`` the columns ``score`` and ``label`` of the rows that it was evaluated on, and
    ``holdout_days`` are its figures there, by day.
    """

    project: str
    evaluation: str
    objective: Objective
    learnt: Profile
    holdout: Profile
    holdout_days: tuple[DayFigures, ...]

    @property
    def last_seen(self) -> date:
        """The last day that decided on the model: it is judged on later ones only."""
        return self.holdout.last


class DriftState(StrEnum):
    """What a verdict comes to."""

    TOO_FEW_TO_KNOW = "too_few_to_know"  # too few matured days: nothing is decided
    STABLE = "stable"  # the figures lie within the policy
    WARNING = "warning"  # inputs moved: a human looks
    RETRAIN = "retrain"  # loss or calibration moved: a retraining is asked for


@dataclass(frozen=True, kw_only=True)
class FeatureDrift:
    """How far a feature's newest week lies from the weeks before it that had not drifted.

    ``psi`` is the population stability index, ``limit`` what is accepted of it; ``None``: too few weeks before to tell.
    """

    feature: str
    psi: float
    limit: float | None

    @property
    def drifted(self) -> bool:
        return self.limit is not None and self.psi > self.limit


@dataclass(frozen=True, kw_only=True)
class DriftVerdict:
    """What the policy makes of the figures, and every reason in plain words.

    ``days`` are the judged ones, sorted, ``figures`` the judged means by name (``excess_loss``, ``calibration_gap``,
    ``loss``, ``expected_loss``), ``inputs`` the features from the one that moved furthest on.
    """

    state: DriftState
    reasons: tuple[str, ...]
    figures: Mapping[str, float]
    days: tuple[date, ...]
    inputs: tuple[FeatureDrift, ...]


@dataclass(frozen=True, kw_only=True)
class LiveScores:
    """The champion's predictions for rows that came after it.

    ``days`` are those that are scored, ``since`` those among them that no verdict has covered yet. ``partitions`` are
    the features and labels of ``days``; ``scores`` is the vault's digest of one number a row of the labels' partitions.
    """

    snapshot: str
    model_version: int
    bundle: str
    evaluation: str
    days: Days
    since: Days
    partitions: tuple[Partition, ...]
    scores: str


@dataclass(frozen=True, kw_only=True)
class LiveProfiles:
    """Live rows in the bins of a :class:`Reference`: features by ``weeks``, oldest first.

    Of the days that are judged, ``inputs`` are counted in the bins of ``learnt``, ``outcomes`` (score and label) in
    those of ``holdout``.
    """

    weeks: tuple[Profile, ...]
    inputs: Profile
    outcomes: Profile


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a column's rows spread over the bins that then and now share: shares, in the bins' order, and no value.

    The last bin is that of nulls. ``then`` and ``now`` add up to 1 each.
    """

    column: str
    numeric: bool
    then: tuple[float, ...]
    now: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LiveFigures:
    """What a verdict is made of: the champion's ``figures`` by day, and its inputs by week.

    ``scored`` is the digest of the :class:`LiveScores`. In the vault lie ``reference`` (a :class:`Reference`) and
    ``profiles`` (a :class:`LiveProfiles`); ``shapes`` is what of them may be shown to whoever watches. ``report`` is
    the digest of the HTML page that explains what moved, ``report_figures`` that of the same as JSON; ``None``: too few
    rows to compare.
    """

    scored: str
    reference: str
    profiles: str
    report: str | None
    report_figures: str | None
    shapes: tuple[Shape, ...]
    since: Days
    figures: tuple[DayFigures, ...]


class RetrainingOutcome(StrEnum):
    """What became of a training night that drift asked for."""

    PROMOTED = "promoted"  # its model is champion
    KEPT = "kept"  # the gates kept the champion
    FAILED = "failed"  # the night did not end
    SUPERSEDED = "superseded"  # the champion that was judged had been replaced before a night came: none ran
