"""Propose which columns lead to a person, by their names and by the shapes of their values.

It proposes and never clears: that a column leads to nobody is for a person to say.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from include.core.records import ColumnType, PersonalKind

if TYPE_CHECKING:
    import pyarrow as pa

#: This many rows are looked at, evenly spread.
_ROWS = 1_000
#: That share of the distinct values, at least, are addresses or telephone numbers of somebody.
_SOME = 0.2
#: That share, of so many distinct values at least, have the check digits of one kind of number; of other numbers one in
#: ten or fewer have.
_NEARLY_ALL, _FEWEST = 0.95, 10
#: A number of a person or an account has this many letters and digits, both inclusive.
_LENGTHS = (8, 34)

_PERSON = (
    r"(customer|cust|client|user|patient|member|employee|staff|person|people|passenger|guest|subscriber|driver|owner|"
    r"student|pupil|buyer|seller|contact|visitor|holder|applicant|borrower|insured|beneficiary|rider|player|author)"
)
#: What may stand behind them at the end of a name; anything else (`email_sent`, `mobile_app`) tells of something else.
_END = r"(_(number|no|nr|num|id|address|home|work|private|main|primary|secondary|hash|raw)|_?\d+)*$"
#: Whole words of a name, in lower case with `_` between them, that name a person.
_DIRECT = re.compile(
    r"(?<![a-z])(e_?mails?|mail|phones?|telephone|tel|mobile|cell_?phone|fax|"
    r"(first|last|full|given|family|middle|maiden|nick|sur)_?names?|user_?name|login|"
    rf"{_PERSON}s?_(full_)?name|name_of_{_PERSON}|"
    r"ssn|sin|nin|nino|bsn|pesel|cpf|curp|aadhaar|national_(id|number|insurance)\w*|social_(security|insurance)\w*|"
    r"tax_?payer\w*|tax_(id|number|no)|passport\w*|(driver|driving)s?_licen[cs]e\w*|"
    r"iban|bank_account\w*|account_(number|no|nr)|(credit|debit)_card\w*|card_(number|no|nr)|cc_(number|num|no)|"
    rf"(?<!ip_)(?<!mac_)(address|addr)(_?line)?|street(_name)?){_END}"
)
#: Whole words that lead to a person where something is joined by them.
_JOINS = re.compile(
    rf"(?<![a-z])({_PERSON}s?_?(id|uuid|guid|key|number|no|nr|num|code|ref|hash)|"
    r"(device|cookie|session|advertising|household|account)_?(id|uuid|key)|imei|imsi|msisdn|"
    rf"(ip|mac)_?(address|addr)?|(licen[cs]e|number)_plate|vin|tail_?num(ber)?){_END}"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(\+|00)[\d ()/.-]{7,24}")
_CARD = re.compile(r"(\d[ -]?){12,18}\d")
_US_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")

#: Numbers of persons that carry check digits, by their modules in `stdnum`.
_NUMBERS = (
    *("be.nn", "bg.egn", "br.cpf", "ch.ssn", "cn.ric", "cz.rc", "de.idnr", "ee.ik", "es.dni", "es.nie", "fi.hetu"),
    *("fr.nir", "gb.nhs", "gr.amka", "hr.oib", "ie.pps", "il.idnr", "in_.aadhaar", "it.codicefiscale", "kr.rrn"),
    *("lt.asmens", "mx.curp", "nl.bsn", "no.fodselsnummer", "pl.pesel", "pt.cc", "ro.cnp", "se.personnummer"),
    *("si.emso", "th.pin", "tr.tckimlik", "za.idnr", "iban"),
)


def proposal(name: str, kind: ColumnType, values: "pa.ChunkedArray") -> PersonalKind | None:
    """What a column of that *name* and those *values* is about persons, if anything speaks for it; ``None``: nothing.

    A name decides before values do.
    """
    named = by_name(name, kind)
    if named is not None or kind not in (ColumnType.STRING, ColumnType.INTEGER):
        return named
    return PersonalKind.DIRECT_IDENTIFIER if _shaped(_sample(values)) else None


def by_name(name: str, kind: ColumnType) -> PersonalKind | None:
    """What the *name* of a column alone speaks for. A time, a date and a yes or no propose nothing."""
    if kind not in (ColumnType.STRING, ColumnType.INTEGER, ColumnType.NUMBER):
        return None
    words = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()
    if _JOINS.search(words):
        return PersonalKind.JOIN_KEY
    if _DIRECT.search(words) or (words == "name" and kind is ColumnType.STRING):
        return PersonalKind.DIRECT_IDENTIFIER
    return None


def in_key(personal: PersonalKind | None) -> PersonalKind | None:
    """*personal* of a column of the key, which is read: a direct identifier never is."""
    return PersonalKind.JOIN_KEY if personal is PersonalKind.DIRECT_IDENTIFIER else personal


def _sample(values: "pa.ChunkedArray") -> list[str]:
    """Distinct values of some rows, as text."""
    import numpy as np

    rows = np.unique(np.linspace(0, len(values) - 1, _ROWS).astype("int64")) if len(values) else np.array([], "int64")
    return sorted({str(value) for value in values.take(rows).to_pylist() if value is not None})


def _shaped(texts: Sequence[str]) -> bool:
    found = sum(1 for text in texts if _EMAIL.search(text) or _is_phone(text))
    if texts and found >= _SOME * len(texts):
        return True
    least, most = _LENGTHS
    alike = [text for text in texts if least <= len(text) <= most and any(letter.isdigit() for letter in text)]
    if len(texts) < _FEWEST or len(alike) < _NEARLY_ALL * len(texts):
        return False
    return any(_nearly_all(texts, holds) for holds in _checks())


def _is_phone(text: str) -> bool:
    """Whether *text* is a telephone number, with its country: without it any number might be one."""
    if not _PHONE.fullmatch(text.strip()):
        return False
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(re.sub(r"^00", "+", text.strip()), None))
    except phonenumbers.NumberParseException:
        return False


def _checks() -> Iterable[Callable[[str], bool]]:
    from stdnum import luhn
    from stdnum.us import ssn

    yield lambda text: _CARD.fullmatch(text) is not None and luhn.is_valid(text)
    yield lambda text: _US_SSN.fullmatch(text) is not None and ssn.is_valid(text)  # it has no check digits
    for module in _NUMBERS:
        yield import_module(f"stdnum.{module}").is_valid


def _nearly_all(texts: Sequence[str], holds: Callable[[str], bool]) -> bool:
    """Whether nearly all *texts* hold; it gives up as soon as too many do not."""
    misses = int((1 - _NEARLY_ALL) * len(texts))
    for text in texts:
        if not holds(text):
            misses -= 1
            if misses < 0:
                return False
    return True
