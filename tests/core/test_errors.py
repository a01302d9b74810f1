"""Errors say rule, value and remedy, and survive the way between processes."""

import copy

import pytest

from include.core import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TrainyardError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_reads_as_rule_value_and_remedy(kind: type[errors.TrainyardError]) -> None:
    error = kind("what holds", value=3, remedy="Do this.")
    assert str(error) == "expected: what holds; found: 3. Do this."


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_can_be_carried_between_processes(kind: type[errors.TrainyardError]) -> None:
    error = kind("what holds", value=3, remedy="Do this.")
    again = copy.copy(error)
    assert (type(again), str(again)) == (kind, str(error))


def test_every_error_stands_in_the_tree_that_the_docstring_draws() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert kind.__name__ in errors.__doc__


def test_only_what_waiting_can_mend_is_said_to_heal() -> None:
    assert {kind.__name__ for kind in KINDS if kind.retry_heals} == {
        "AddressRefused",
        "MachineFault",
        "ClusterUnavailable",
        "EngineUnavailable",
        "LedgerConflict",
        "LedgerUnavailable",
        "PodLost",
        "RegistryUnavailable",
        "ShardUnfinished",
        "SourceUnavailable",
        "StepDisconnected",
        "StoreUnavailable",
    }
