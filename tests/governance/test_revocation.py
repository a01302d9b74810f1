"""A revocation says what it ends: what is new, what runs, or what was made under it as well."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.errors import AccessDenied, AuthorityError, DecisionConflict
from include.core.events import AccessRevoked, QuarantineLifted, RunStarted
from include.core.records import RevocationKind, Run, Scope
from include.governance.claims import signed
from include.governance.history import Act
from include.governance.register import Register
from include.ledger import lease
from tests.governance.conftest import NOW, STEWARD, House, run_of

SOON = NOW + timedelta(minutes=1)
KINDS = list(RevocationKind)
STOP_NEW, STOP_RUNNING, QUARANTINE = KINDS
_runs = itertools.count()


def begun(house: House, scope: Scope, *, exclusive: bool = True) -> Run:
    """A night of the project that has begun (without a lease: a watch), and goes on."""
    run = replace(run_of(scope.project), run_id=f"run-{next(_runs)}", fence=0)
    if exclusive:
        fence = lease.take(house.ledger, run.project, run_id=run.run_id, now=NOW, duration=timedelta(minutes=30))
        run = replace(run, fence=fence.token)
    stream = streams.run(run.project, run.run_id)
    house.ledger.record(stream, RunStarted(run=run, separation_of_duties="SHOWN"), key=stream)
    return run


def reads(house: House, scope: Scope, run: Run | None = None, *, serving: bool = False) -> bool:
    try:
        house.access.require(scope, now=SOON, run=run, serving=serving)
    except AccessDenied:
        return False
    return True


@pytest.mark.parametrize("exclusive", [True, False], ids=["night", "watch"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_lets_a_read_begin_and_only_stop_new_lets_go_on_what_had_begun(
    house: House, kind: RevocationKind, exclusive: bool
) -> None:
    scope = house.scope("flights")
    (grant,) = house.granted(scope)
    before = begun(house, scope, exclusive=exclusive)
    assert reads(house, scope)
    house.authority.revoke(grant, user=STEWARD, reason="Enough", effect=kind)
    assert not reads(house, scope)
    assert reads(house, scope, before) is (kind is STOP_NEW)
    held = [each.grant_id for each in house.access.in_force(scope, now=SOON, run=before)]
    assert held == ([grant] if kind is STOP_NEW else [])
    if exclusive:
        lease.release(house.ledger, scope.project, run_id=before.run_id)
    after = begun(house, scope, exclusive=exclusive)
    assert not reads(house, scope, after)
    assert reads(house, scope, serving=True) is (kind is not QUARANTINE)


def test_a_night_that_gave_its_lease_back_since_is_a_new_one(house: House) -> None:
    scope = house.scope("flights")
    (grant,) = house.granted(scope)
    run = begun(house, scope)
    house.authority.revoke(grant, user=STEWARD, reason="Enough", effect=STOP_NEW)
    half = NOW + timedelta(minutes=20)
    lease.take(house.ledger, run.project, run_id=run.run_id, now=half, duration=timedelta(minutes=30))
    assert reads(house, scope, run), "an extended lease is the same"
    house.vault.open([], run=run, step="train", scope=scope, now=SOON)
    lease.release(house.ledger, run.project, run_id=run.run_id)
    lease.take(house.ledger, run.project, run_id=run.run_id, now=half, duration=timedelta(minutes=30))
    assert not reads(house, scope, run)


def test_what_goes_on_ends_with_the_days_of_its_grant(house: House) -> None:
    scope = house.scope("flights")
    (grant,) = house.granted(scope, days=1)
    run = begun(house, scope)
    house.authority.revoke(grant, user=STEWARD, reason="Enough", effect=STOP_NEW)
    with pytest.raises(AccessDenied):
        house.access.require(scope, now=NOW + timedelta(days=1), run=run)


@given(
    said=st.lists(st.one_of(st.sampled_from(KINDS), st.just("lift")), min_size=2, max_size=5),
)
@settings(max_examples=8, deadline=None)
def test_a_revocation_is_made_stricter_and_never_softer_but_by_a_lift(shared: House, said: list[object]) -> None:
    scope = shared.scope("flights")
    (grant,) = shared.granted(scope)
    stands: RevocationKind | None = None
    for word in said:
        if isinstance(word, RevocationKind):
            softer = stands is not None and KINDS.index(word) < KINDS.index(stands)
            if softer:
                with pytest.raises(DecisionConflict, match="not softened"):
                    shared.authority.revoke(grant, user=STEWARD, reason="Softer", effect=word)
            else:
                shared.authority.revoke(grant, user=STEWARD, reason="Enough", effect=word)
                stands = word
        elif stands is QUARANTINE:
            shared.authority.lift(grant, user=STEWARD, reason="Looked at")
            stands = STOP_RUNNING
        else:
            with pytest.raises(DecisionConflict, match="is lifted"):
                shared.authority.lift(grant, user=STEWARD, reason="Looked at")
        decisions = shared.access.decisions(scope.project, "flights")
        assert decisions.effects.get(grant) is stands
        assert (grant in shared.access.quarantined(scope)) is (stands is QUARANTINE)
        assert reads(shared, scope) is (stands is None)
    assert Register(shared.ledger, shared.verifier).grant(grant).effect is stands


def test_only_the_authority_says_that_a_revocation_ends_less_or_more_than_what_runs(house: House) -> None:
    scope = house.scope("flights")
    run = begun(house, scope)
    for number, kind in enumerate((STOP_NEW, QUARANTINE)):
        (grant,) = house.granted(scope)
        stream = f"access/{scope.project}/flights"
        for envelope in (None, "{}"):
            forged = AccessRevoked(grant_id=grant, steward="eve", reason="-", envelope=envelope, effect=kind)
            house.ledger.record(stream, forged)
        assert house.access.decisions(scope.project, "flights").effects[grant] is STOP_RUNNING, number
        assert not reads(house, scope, run)


def test_an_envelope_of_one_kind_is_worth_nothing_for_another(house: House) -> None:
    """The replay of a signed stop-running as a quarantine, at the very place that it was signed for."""
    scope = house.scope("flights")
    (grant,) = house.granted(scope)
    decisions = house.access.decisions(scope.project, "flights")
    told = AccessRevoked(grant_id=grant, steward=STEWARD, reason="Enough", envelope=None, effect=STOP_RUNNING)
    place = {"project": decisions.project, "dataset": decisions.dataset}
    made = signed(told, house.signer, position=decisions.version + 1, **place)
    house.ledger.record(decisions.stream, replace(made, effect=QUARANTINE))
    assert house.access.decisions(scope.project, "flights").effects[grant] is STOP_RUNNING


def test_a_quarantine_is_lifted_by_a_steward_of_the_dataset_and_by_nobody_else(house: House) -> None:
    scope = house.scope("flights")
    (grant,) = house.granted(scope)
    house.authority.revoke(grant, user=STEWARD, reason="Poisoned", effect=QUARANTINE)
    with pytest.raises(AuthorityError, match="only a steward"):
        house.authority.lift(grant, user="eve", reason="Fine")
    with pytest.raises(AuthorityError, match="a reason"):
        house.authority.lift(grant, user=STEWARD, reason=" ")
    forged = QuarantineLifted(grant_id=grant, steward=STEWARD, reason="Fine", envelope="{}")
    house.ledger.record(f"access/{scope.project}/flights", forged)
    assert house.access.quarantined(scope) == {grant}
    house.authority.lift(grant, user=STEWARD, reason="Looked at: all is well")
    assert not house.access.quarantined(scope)
    register = Register(house.ledger, house.verifier)
    assert (register.grant(grant).lift.steward, register.grant(grant).lift.reason) == (
        STEWARD,
        "Looked at: all is well",
    )
    lines = [(line.act, line.effect, line.who) for line in register.history(project=scope.project)[:3]]
    assert lines == [(Act.LIFTED, "", STEWARD), (Act.LIFTED, "", ""), (Act.REVOKED, "quarantine", STEWARD)]
    assert not reads(house, scope), "the grant stays revoked"
