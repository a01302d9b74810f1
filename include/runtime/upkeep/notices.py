"""Sends stewards, and those who asked, what they wait for: by Apprise, to the addresses in one file.

A line of ``TRAINYARD_ADDRESSES_FILE`` is ``NAME ADDRESS…``; the name ``*`` gets the requests that nobody decides.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from include.contracts import load_folder
from include.core.errors import ContractError, DeclarationError
from include.core.events import MessageFailed
from include.core.names import among
from include.core.records import Contract
from include.governance import notices, secrets
from include.governance.access import Access
from include.governance.notices import ContractOf
from include.governance.register import Register
from include.governance.signing import PUBLIC_KEY_FILE, Verifier
from include.ledger import Ledger
from include.ledger.outbox import Address, Delivery, send_once, undelivered
from include.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeliveryCounts:
    """How many messages addresses took now, and how many they did not."""

    sent: int
    failed: int


def tell(settings: Settings, *, now: datetime) -> DeliveryCounts:
    """Let requests lapse that nobody decided about, and send what is due *now* (UTC) and was not sent before.

    Raises:
        AuthorityError: the file of addresses cannot be read, or others may read it.
        DeclarationError: a line of it names nobody, or no address.
    """
    ledger, register, contract_of = _open(settings, now)
    notices.lapse(ledger, register, contract_of, now=now)
    if settings.addresses_file is None:
        return DeliveryCounts(sent=0, failed=0)
    addresses = addresses_of(settings)
    came = {Delivery.SENT: 0, Delivery.FAILED: 0, Delivery.NOT_NOW: 0}
    for notice in notices.notices(ledger, register, contract_of, now=now):
        for address in _of(addresses, notice.to):
            outcome = send_once(
                ledger,
                notice.notice_id,
                address,
                lambda notice=notice, to=address: _send(to, notice.title, notice.body),  # type: ignore[misc]
                now=now,
            )
            came[outcome] += 1
    return DeliveryCounts(sent=came[Delivery.SENT], failed=came[Delivery.FAILED])


def addresses_of(settings: Settings) -> Mapping[str, tuple[Address, ...]]:
    """The addresses of each name. Raises as :func:`tell`."""
    if settings.addresses_file is None:
        return {}
    found: dict[str, tuple[Address, ...]] = {}
    lines = secrets.read(settings.addresses_file).decode(errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        first = next((place for place, word in enumerate(words) if "://" in word), 0)
        if not first or not all("://" in word for word in words[first:]):
            raise DeclarationError(
                f"{settings.addresses_file}: a line is a name and Apprise addresses, with blanks between",
                value=f"line {number}",  # what it says may be a password
                remedy="Write it like `maria mailto://… slack://…`; `*` stands for whoever hears when nobody decides.",
            )
        name = " ".join(words[:first])
        found[name] = (*found.get(name, ()), *(Address(to=name, secret=word) for word in words[first:]))
    return found


def not_reached(settings: Settings) -> tuple[MessageFailed, ...]:
    """The addresses of the file that did not take their latest message. Raises as :func:`tell`."""
    known = {address.digest for each in addresses_of(settings).values() for address in each}
    if not known:
        return ()
    return tuple(each for each in undelivered(Ledger.open(settings.ledger)) if each.address in known)


def without_address(settings: Settings, people: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *people* of whom the file has no address. Raises as :func:`tell`."""
    addresses = addresses_of(settings)
    return tuple(name for name in people if not _of(addresses, name))


def _of(addresses: Mapping[str, tuple[Address, ...]], name: str) -> tuple[Address, ...]:
    return tuple(address for each, found in addresses.items() if among(name, [each]) for address in found)


def _open(settings: Settings, now: datetime) -> tuple[Ledger, Register, ContractOf]:
    from include.governance.kept_contracts import KeptContracts

    ledger, verifier = Ledger.open(settings.ledger, clock=lambda: now), Verifier.load(settings.keys / PUBLIC_KEY_FILE)
    contracts = load_folder(settings.contracts, settings.classes)
    kept = KeptContracts(ledger, Access(ledger, verifier), contracts.read)

    @cache
    def contract_of(dataset: str) -> Contract | None:
        try:
            return kept.in_effect(dataset, contracts) or contracts.get(dataset)
        except ContractError:  # what waits for it waits the usual time
            return None

    return ledger, Register(ledger, verifier), contract_of


def _send(address: Address, title: str, body: str) -> bool:
    import apprise

    listener = apprise.Apprise()
    if not listener.add(address.secret):
        log.error("An address of %s is not one that Apprise understands (%s)", address.to, address.service)
        return False
    sent = bool(listener.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
    if not sent:
        log.error("An address of %s did not take a message (%s)", address.to, address.service)
    return sent
