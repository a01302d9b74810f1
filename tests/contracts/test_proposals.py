"""What leads to a person is proposed by its name or the shape of its values, and nothing is ever cleared."""

import random
from collections.abc import Callable
from importlib import import_module

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.pl import pesel

from include.contracts.proposals import _NUMBERS, by_name, proposal
from include.core.records import ColumnType, PersonalKind

DIRECT, JOIN = PersonalKind.DIRECT_IDENTIFIER, PersonalKind.JOIN_KEY


def proposed(values: list[object], kind: ColumnType = ColumnType.STRING, name: str = "code") -> PersonalKind | None:
    return proposal(name, kind, pa.chunked_array([pa.array(values)]))


@pytest.mark.parametrize(
    ("expected", "names"),
    [
        (
            DIRECT,
            "email E-Mail CustomerEmail first_name LastName username phone phoneNumber mobile_2 ssn IBAN passport_no",
        ),
        (DIRECT, "address AddressLine1 home_address customer_name account_number name street national_id"),
        (
            JOIN,
            "customer_id CustomerID userId patient_no tailnum TailNumber ip_address ip imei licence_plate vin",
        ),
        (
            None,
            "shop product_name email_sent mobile_app passenger_count order_id id status hotel telemetry origin dest",
        ),
        (None, "manufacturer station_name is_member sinus single state address_count RideID Borough file"),
    ],
)
def test_a_name_speaks_for_what_people_call_so_however_it_is_written(expected: PersonalKind | None, names: str) -> None:
    for name in names.split():
        assert proposed(["a", "b"], name=name) is expected, name


@given(st.text(max_size=20), st.sampled_from([ColumnType.TIMESTAMP, ColumnType.DATE, ColumnType.BOOLEAN]))
def test_what_cannot_name_a_person_is_never_proposed_and_nothing_is_ever_cleared(name: str, kind: ColumnType) -> None:
    assert by_name(name, kind) is None
    assert by_name(name, ColumnType.STRING) is not PersonalKind.NONE


def pesels(seed: random.Random) -> str:
    number = f"{seed.randrange(50, 99)}{seed.randrange(1, 13):02}{seed.randrange(1, 29):02}{seed.randrange(10_000):04}"
    return number + pesel.calc_check_digit(number)


def cards(seed: random.Random) -> str:
    number = f"4{seed.randrange(10**14):014}"
    return number + luhn.calc_check_digit(number)


@given(st.sampled_from([pesels, cards]), st.integers(0, 2**32), st.booleans())
@settings(max_examples=20)
def test_numbers_with_the_check_digits_of_a_person_or_an_account_are_proposed_and_others_are_not(
    make: Callable[[random.Random], str], seed: int, whole: bool
) -> None:
    chance = random.Random(seed)
    texts = [make(chance) for _ in range(30)]
    wrong = [f"{text[:-1]}{(int(text[-1]) + 1) % 10}" for text in texts]
    kind = ColumnType.INTEGER if whole else ColumnType.STRING
    values: list[list[object]] = [[int(text) if whole else text for text in each] for each in (texts, wrong)]
    assert proposed(values[0], kind) is DIRECT
    assert proposed(values[0][:5], kind) is None, "so few may have them by chance"
    assert proposed(values[1], kind) is None


@pytest.mark.parametrize("form", ["E164", "INTERNATIONAL"])
def test_telephone_numbers_with_their_country_and_mail_addresses_are_proposed_among_other_values(form: str) -> None:
    numbers = [phonenumbers.example_number(region) for region in ("DE", "US", "JP", "BR", "IN", "GB", "FR")]
    texts = [phonenumbers.format_number(each, getattr(phonenumbers.PhoneNumberFormat, form)) for each in numbers]
    assert proposed([*texts, None, "unknown", "none given"]) is DIRECT
    assert proposed(["call ada@example.org tomorrow", "nothing", "wait", None]) is DIRECT
    assert proposed(["+12 %", "+7", "12:30", "2013-05-02", "10.0.0.1"]) is None


@given(st.integers(0, 2**32), st.sampled_from(["{:09}", "{:010}", "{:012}", "X{:09}Y", "{:x}"]))
@settings(max_examples=20)
def test_numbers_by_chance_are_not_taken_for_those_of_persons(seed: int, form: str) -> None:
    chance = random.Random(seed)
    assert proposed([form.format(chance.randrange(10**9)) for _ in range(60)]) is None


def test_every_kind_of_number_that_is_looked_for_is_there() -> None:
    assert not [name for name in _NUMBERS if not callable(import_module(f"stdnum.{name}").is_valid)]
