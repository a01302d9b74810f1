"""The benchmark of a plan is recorded once, whatever happens to the process that trains it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from include.core.errors import TrainingError
from include.core.events import BenchmarkTrained
from include.core.records import Plan, Run
from include.core.runs import RunKind
from include.ledger import Ledger
from include.steps import Platform, benchmarks
from include.training import benchmark
from tests.steps.yard import Deaf, LostAnswer
from tests.training.flights import Folder
from tests.training.linear_rows import labelled, plan_of

RUN = Run(
    project="late", run_id="night", instant=datetime(2013, 6, 1, tzinfo=UTC), code_digest="", declaration_digest="",
    fence=0,
)  # fmt: skip


class KeepsNothing(Folder):
    """A vault whose machine dies once it has kept what it was given."""

    def put(self, data: bytes) -> str:
        super().put(data)
        raise LostAnswer


def platform_of(ledger: Ledger, folder: Path, vault: type[Folder] = Folder) -> Platform:
    kept = vault(folder)
    has = lambda digest: (folder / digest.removeprefix("sha256:")).exists()  # noqa: E731  # as the vault says it
    return cast(Platform, SimpleNamespace(ledger=ledger, vault=SimpleNamespace(put=kept.put, has=has, files=kept)))


def attempt(platform: Platform, plan: Plan, run: Run = RUN, *, rounds: int | None = None) -> bool:
    """What the step does with the benchmark, dying after so many *rounds*; whether there was one to train."""
    left = iter(range(rounds)) if rounds is not None else None

    def allowed() -> None:
        if left is not None and next(left, None) is None:
            raise LostAnswer

    shard = plan.shard(0)
    planned = benchmarks.to_train(platform, run, shard)
    if planned is None:
        return False
    vault: Folder = platform.vault.files  # type: ignore[attr-defined]
    benchmarks.record(platform, run, "sha256:plan", planned, benchmark.train(shard, opened=vault, allowed=allowed))
    return True


def trained(ledger: Ledger) -> Iterable[BenchmarkTrained]:
    return [entry.event for entry in ledger.read_all() if isinstance(entry.event, BenchmarkTrained)]


def test_a_benchmark_that_is_killed_anywhere_and_trained_again_leaves_the_same_bytes_once(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    (vault := tmp_path / "vault").mkdir()
    plan = plan_of(labelled(), Folder(vault))
    undisturbed = benchmark.train(plan.shard(0), opened=Folder(vault))
    deaths = (
        lambda: attempt(platform_of(ledger, vault), plan, rounds=0),
        lambda: attempt(platform_of(ledger, vault), plan, rounds=3),
        lambda: attempt(platform_of(ledger, vault, KeepsNothing), plan),
        lambda: attempt(platform_of(Deaf(ledger._database), vault), plan),
    )
    for dies in deaths:
        with suppress(LostAnswer):
            dies()
    assert not attempt(platform_of(ledger, vault), plan)
    (event,) = trained(ledger)
    assert Folder(vault).bytes(event.benchmark.model or "").decode() == undisturbed.model
    assert event.benchmark.losses == undisturbed.losses
    assert len(list(vault.iterdir())) == 2  # its rows and its model


def test_a_benchmark_whose_model_is_lost_is_trained_again_and_recorded_no_second_time(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    (vault := tmp_path / "vault").mkdir()
    plan, platform = plan_of(labelled(), Folder(vault)), platform_of(ledger, vault)
    assert attempt(platform, plan)
    outcome = benchmarks.outcome_of(platform, plan)
    (model,) = benchmarks.kept_model(platform, outcome)
    (vault / model.removeprefix("sha256:")).unlink()
    assert benchmarks.kept_model(platform, outcome) == []
    assert attempt(platform, plan)
    assert benchmarks.kept_model(platform, outcome) == [model]
    assert len(list(trained(ledger))) == 1


def test_a_backtest_trains_no_benchmark_and_a_night_is_not_evaluated_without_the_one_it_planned(tmp_path: Path) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    plan, platform = plan_of(labelled(), Folder(tmp_path)), platform_of(ledger, tmp_path)
    assert not attempt(platform, plan, replace(RUN, run_id="backtest__a", kind=RunKind.BACKTEST))
    with pytest.raises(TrainingError, match="is trained before a model is held against it"):
        benchmarks.outcome_of(platform, plan)
    assert benchmarks.outcome_of(platform, replace(plan, benchmark=None)) is None
