"""A version as a night leaves it in the ledger and the store, recorded by hand: a passport's subject, in an instant."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from include.audit.evidence import Proofs
from include.audit.passport import Passport, passport_of
from include.audit.version_records import asked_for
from include.core import streams
from include.core.canonical import encode, record_digest
from include.core.card import Card
from include.core.events import (
    AccessGranted,
    AccessRequested,
    ArtifactOpened,
    CardDeclared,
    ContractAdopted,
    ContractKept,
    DataOpened,
    DataRead,
    DataValidated,
    DayJudged,
    EnvironmentRecorded,
    GatesDeclared,
    ModelEvaluated,
    ModelRegistered,
    RunStarted,
    RunTriggered,
    StepFinished,
    TrialRecorded,
)
from include.core.project import Gates, Objective, Severity
from include.core.records import (
    CheckResult,
    DatasetScope,
    DayOfSeries,
    Days,
    Environment,
    Grant,
    Package,
    Partition,
    Plan,
    PlannedTrial,
    Run,
    Scope,
    Slice,
    Snapshot,
    Treatment,
    Trial,
    TrialState,
    Trigger,
    Validation,
    Verdict,
)
from include.declared.compiled import CompiledProject, DerivedTable
from include.declared.declaration import ColumnOrigin, Declaration, TableReads
from include.governance.claims import GRANT_TYPE, signed
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry.authority import PromotionAuthority
from include.registry.champions import Champions
from include.store import Store
from tests.audit.tree import SignedTree
from tests.registry.models import BENCHMARK, FEATURE_SET, PROJECT, SPLIT, evaluation
from tests.training.flights import Folder

P = PROJECT.name
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANT = datetime(2013, 5, 1, 4, tzinfo=UTC)
CONTRACT = "dataset: flights\n"
CARD = Card(
    limits="departures from New York only",
    not_for="decisions about single passengers",
    assumptions="schedules are published a day ahead; cancelled flights are not learnt",
    special_categories="none",
    lawful_basis="legitimate interest",
    tier="low",
    tier_reason="a wrong warning costs nobody more than time",
    third_party="none",
    findings="none",
    by="dana",
    on=date(2026, 2, 1),
)
MODEL = b"tree\nversion=v4\n"


@dataclass
class Recorded:
    """A ledger and a store with one version of a project, decided about by the authority."""

    folder: Path
    authority: Signer
    training: Signer
    card: Card | None = CARD
    ledger: Ledger = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        times = (NOW + timedelta(seconds=number) for number in range(10_000))
        self.ledger = Ledger.open(f"sqlite:///{self.folder / 'ledger.db'}", clock=lambda: next(times))
        self.store = Store(self.folder / "store")
        self.champions = Champions(self.ledger, self.authority.verifier)
        PromotionAuthority(self.ledger, self.authority).begin()
        self._allowed()

    def keep(self, record: object) -> str:
        return self.store.put(encode(record))

    @property
    def scope(self) -> DatasetScope:
        return DatasetScope(
            dataset="flights",
            contract_digest=record_digest_of_text(CONTRACT),
            columns=(("carrier", Treatment.CLEAR), ("tailnum", Treatment.TOKEN)),
            window_days=90,
        )

    def _allowed(self) -> None:
        digest, stream = record_digest_of_text(CONTRACT), streams.access(P, "flights")
        adopted = ContractAdopted(
            dataset="flights",
            contract_version="1.0.0",
            digest=digest,
            stewards=("steward",),
            adopted_by="steward",
            envelope="",
        )
        self.ledger.record(streams.contract("flights"), signed(adopted, self.authority, position=1))
        kept = ContractKept(dataset="flights", digest=digest, text=CONTRACT)
        self.ledger.record(streams.contract_text("flights"), kept)
        asked = AccessRequested(
            request_id="r-1", project=P, purpose=PROJECT.ownership.purpose, scope=self.scope, requester="dana"
        )
        self.ledger.record(stream, asked)
        grant = Grant(
            grant_id="g-1",
            request_id="r-1",
            project=P,
            purpose=PROJECT.ownership.purpose,
            scope=self.scope,
            not_before=NOW,
            expires_at=NOW + timedelta(days=30),
            requester="dana",
            steward="steward",
            reason="for the season",
        )
        envelope = self.authority.sign(GRANT_TYPE, encode(grant))
        self.ledger.record(stream, AccessGranted(request_id="r-1", grant_id="g-1", envelope=envelope))

    def night(self, run_id: str = "night-1", *, loss: float = 0.5) -> int:
        """A whole night, decided about; the number of its version."""
        run = Run(
            project=P,
            run_id=run_id,
            instant=INSTANT,
            code_digest="sha256:" + "c" * 64,
            declaration_digest="sha256:" + "d" * 64,
            fence=1,
        )
        self._began(run)
        built = self._data(run)
        digest = self._searched(run, built, loss)
        version = self.ledger.version(streams.model(P)) + 1
        verdict = Verdict(promote=True, reasons=("training's own",))
        registered = ModelRegistered(
            project=P,
            run_id=run_id,
            model_version=version,
            evaluation=digest,
            bundle="sha256:" + "b" * 64,
            verdict=verdict,
        )
        self.ledger.append(streams.model(P), [registered], expected_version=version - 1)
        PromotionAuthority(self.ledger, self.authority).decide()
        return version

    def _began(self, run: Run) -> None:
        stream = streams.run(P, run.run_id)
        self.ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN: one user"), key=stream)
        triggered = RunTriggered(project=P, run_id=run.run_id, trigger=Trigger.LOGIN, who="dana")
        self.ledger.record(streams.triggers(P), triggered, key=streams.triggered_key(P, run.run_id))
        gates = GatesDeclared(project=P, run_id=run.run_id, gates=Gates(margin=1.0, floor_loss=1.0), watched=True)
        self.ledger.record(stream, gates, key=streams.gates_key(P, run.run_id))
        card = CardDeclared(
            project=P, run_id=run.run_id, owner="punctuality", purpose=PROJECT.ownership.purpose, card=self.card
        )
        self.ledger.record(stream, card, key=streams.card_key(P, run.run_id))
        environment = Environment(
            python="CPython 3.12.3",
            system="Linux",
            machine="x86_64",
            processor="a processor",
            cores=2,
            packages=(Package(name="lightgbm", version="4.7.0", record="sha256:" + "a" * 64),),
        )
        recorded = EnvironmentRecorded(project=P, run_id=run.run_id, environment=self.keep(environment))
        self.ledger.record(stream, recorded, key=streams.environment_key(P, run.run_id))
        declared = self.keep(declaration(self.scope))
        inputs = record_digest((run.code_digest, run.declaration_digest))
        self._finished(run, "declare", inputs, declared)

    def _finished(self, run: Run, step: str, inputs: str, output: str) -> None:
        event = StepFinished(project=P, run_id=run.run_id, step=step, attempt="a", inputs=inputs, output=output)
        key = streams.step_key(P, step, inputs)
        if self.ledger.find(key) is None:
            self.ledger.record(streams.run(P, run.run_id), event, key=key)

    def _data(self, run: Run) -> str:
        """Snapshot, validation and features of the night; the digest of the last."""
        read = {"first": date(2013, 3, 2), "last": date(2013, 4, 30)}
        opened = DataOpened(project=P, run_id=run.run_id, grant_id="g-1", scope=self.scope, **read)
        self.ledger.record(streams.receipt(P), opened)
        done = DataRead(
            project=P, run_id=run.run_id, grant_id="g-1", scope=self.scope, **read, rows=6000, files=60, reused=0
        )
        self.ledger.record(streams.receipt(P), done)
        snapshot = Snapshot(
            project=P,
            instant=INSTANT,
            scope=Scope(project=P, purpose=PROJECT.ownership.purpose, datasets=(self.scope,)),
            days=Days(**read),
            last_matured=date(2013, 4, 30),
            partitions=tuple(partition("flights", day) for day in Days(**read)),
        )
        taken = self.keep(snapshot)
        self._finished(run, "snapshot", taken, taken)
        check = CheckResult(
            dataset="flights",
            expectation="expect_column_values_to_not_be_null",
            column="carrier",
            severity=Severity.CRITICAL,
            success=True,
            rows=6000,
            unexpected=0,
            days=(),
        )
        validation = Validation(snapshot=taken, expectations="sha256:e", covered=("c",), checks=(check,), report="r")
        outcome = self.keep(validation)
        validated = DataValidated(
            project=P,
            run_id=run.run_id,
            snapshot=taken,
            validation=outcome,
            expectations="sha256:e",
            covered=("c",),
            worst=None,
        )
        key = streams.validated_key(P, outcome)
        if self.ledger.find(key) is None:
            self.ledger.record(streams.validated(P), validated, key=key)
        self._finished(run, "validate", taken, outcome)
        receipt = ArtifactOpened(
            project=P, run_id=run.run_id, step="features", grants=("g-1",), artifacts="sha256:list", count=60
        )
        self.ledger.record(streams.receipt(P), receipt)
        days = Days(first=SPLIT.train.first, last=SPLIT.holdout.last)
        parts = tuple(partition(table, day) for table in ("label", "schedule") for day in days)
        return self.keep(replace(FEATURE_SET, snapshot=taken, partitions=parts, probed=(INSTANT,)))

    def _searched(self, run: Run, built: str, loss: float) -> str:
        trials = [
            Trial(
                trial_id=f"sha256:{run.run_id}.{number}",
                params={"learning_rate": 0.1 * number},
                state=TrialState.COMPLETE if number < 3 else TrialState.PRUNED,
                losses=(0.6, loss + number / 100) if number < 3 else (0.7,),
                rounds=200 if number < 3 else 50,
                error=None,
            )
            for number in (1, 2, 3)
        ]
        plan = self.keep(
            Plan(
                features=built,
                task="sha256:task",
                objective=Objective.BINARY,
                binned="sha256:binned",
                training_rows=5000,
                profile="sha256:profile",
                trials=tuple(PlannedTrial(trial_id=each.trial_id, params=each.params) for each in trials),
                shards=((0, 1, 2),),
                rungs=(50, 200),
                reduction=2,
                seed=7,
                warm=(),
                constant=0.4,
            )
        )
        for each in trials:
            told = TrialRecorded(project=P, run_id=run.run_id, plan=plan, instant=INSTANT, trial=each)
            self.ledger.record(streams.trials(P), told, key=streams.trial_key(each.trial_id))
        made = replace(
            evaluation(Folder(self.folder / "vault")),
            plan=plan,
            features=built,
            trial_id=trials[0].trial_id,
            params=trials[0].params,
            model=self.store.put(MODEL),
            metrics={"log_loss": loss, "auc": 0.7},
            constant_loss=0.6,
            benchmark=BENCHMARK,
            slices=(Slice(feature="dest", category="ATL", rows=900, days=21, loss=0.4),),
        )
        digest = record_digest(made)
        evaluated = ModelEvaluated(project=P, run_id=run.run_id, evaluation=made)
        self.ledger.record(streams.evaluations(P), evaluated, key=streams.evaluated_key(P, digest))
        self._finished(run, "evaluate", digest, digest)
        return digest

    def judged(self, champion: int, days: Sequence[date]) -> None:
        for day in days:
            judged = DayOfSeries(day=day, champion=champion, rows=100, loss=0.5, constant_loss=0.6)
            event = DayJudged(project=P, run_id="watch", instant=INSTANT, judged=judged)
            self.ledger.record(streams.drift(P), event, key=streams.day_key(P, day))

    def tree(self, size: int | None = None) -> SignedTree:
        """The first *size* events (all, if it is not given) as a tree that the authority signed."""
        entries = self.ledger.read_all()
        return SignedTree([each.raw for each in entries[:size]], self.authority)

    def passport(self, subject: str = P, *, tree: Proofs | None = None) -> Passport:
        return passport_of(
            asked_for(self.ledger, self.champions, subject),
            self.store,
            authority=[self.authority.verifier.public],
            signer=self.training,
            proofs=tree,
            now=NOW,
        )


def record_digest_of_text(text: str) -> str:
    from include.core.canonical import digest_of

    return digest_of(text.encode())


def partition(table: str, day: date) -> Partition:
    content = record_digest((table, day))
    return Partition(table=table, day=day, inputs=content, content=content, rows=100, size_bytes=1000, complete=True)


def declaration(scope: DatasetScope) -> Declaration:
    derived = DerivedTable(
        name="label", sql="SELECT label", datasets=("flights",), lookback_days=0, names=("label",), categories=()
    )
    group = replace(
        derived, name="schedule", sql="SELECT hour, dest\nFROM flights", names=("hour", "dest"), lookback_days=1
    )
    source = ("flights", "carrier")
    return Declaration(
        digest="sha256:" + "d" * 64,
        scope=Scope(project=P, purpose=PROJECT.ownership.purpose, datasets=(scope,)),
        compiled=CompiledProject(
            population="SELECT key",
            population_columns=("key",),
            population_datasets=("flights",),
            label=derived,
            groups=(group,),
        ),
        origins=tuple(
            ColumnOrigin(table=table, column=column, type="float64", sources=(source,))
            for table, column in (("label", "label"), ("schedule", "hour"), ("schedule", "dest"))
        ),
        readings=(TableReads(table="schedule", sources=(source, ("flights", "tailnum"))),),
    )
