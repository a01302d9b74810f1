"""What the tasks of a drift DAG report beside what their steps do: drifting inputs or a failing recipe to a human,
and an ask to Airflow.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.core.events import DriftJudged
    from include.ledger import Ledger
    from include.settings import Settings

log = logging.getLogger(__name__)


def tell(settings: "Settings", ledger: "Ledger", project: str, run_id: str) -> None:
    """Log the verdict of the watch *run_id*; ask a human, once, where inputs have begun to drift or the recipe to fail.

    The verdict before decides whether it is the beginning, whichever version was champion then.
    """
    from include.core.records import DriftState
    from include.retraining import verdicts
    from include.runtime.airflow import alerts

    judged = verdicts.judged(ledger, project)
    place, own = next((place, each) for place, each in enumerate(judged) if each.run_id == run_id)
    state = own.verdict.state
    log.info("%s: %s", state.value, "; ".join(own.verdict.reasons))
    if place and judged[place - 1].verdict.state is state:
        return
    if state is DriftState.WARNING:
        alerts.send(settings, f"{project}: its inputs have drifted", _of_inputs(own))
    elif state is DriftState.FAILING:
        alerts.send(settings, f"{project}: its recipe fails", _of_recipe(own))


def _of_inputs(judged: "DriftJudged") -> str:
    return (
        f"{'; '.join(judged.verdict.reasons)}. Loss and calibration do not ask for a retraining: look at the page "
        f"Drift, and start a night of train_{judged.project} by hand if the change is here to stay."
    )


def _of_recipe(judged: "DriftJudged") -> str:
    return (
        f"{'; '.join(judged.verdict.reasons)}. Retraining did not bring it back, and none is asked for: look at the "
        "page Drift, and at what changed in the data. Then mend the recipe (features, label, window), go back to an "
        "earlier version, or accept the new level with `skill=SkillPolicy(since=…)` in the project's drift policy. "
        "Where the policy stops promotion, a mended recipe is promoted where it is shown to lose less than the "
        f"champion; else a steward lets it through: `./trainyard override {judged.project} --gate failing`."
    )


@dataclass(frozen=True, kw_only=True)
class RetrainingSignal:
    """The ask of a watch that waits for its night, or why there is ``nothing`` to signal."""

    ask_id: str = ""
    nothing: str | None = None


def asked_by(project: str, run_id: str) -> RetrainingSignal:
    """What the watch *run_id* of *project* asked for, as the ledger shows."""
    from include.ledger import Ledger
    from include.retraining import asks, verdicts
    from include.settings import Settings

    ledger = Ledger.open(Settings.from_environment().ledger)
    known = asks.known(ledger, project)
    for each in known.retrainings:
        if each.ask.run_id == run_id:
            if each.started is not None:
                return RetrainingSignal(nothing=f"The night {each.started} answers already")
            return RetrainingSignal(ask_id=each.ask.ask_id)
    for declined in known.declined:
        if declined.run_id == run_id:
            return RetrainingSignal(nothing=f"The verdict asked for a retraining and gets none: {declined.reason}")
    reasons = [each.verdict.reasons for each in verdicts.judged(ledger, project) if each.run_id == run_id]
    return RetrainingSignal(
        nothing="No retraining is asked for: " + "; ".join(reasons[-1] if reasons else ("no verdict",))
    )
