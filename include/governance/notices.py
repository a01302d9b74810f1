"""What stewards, and those who asked, are to be sent now: a fold of the ledger, so that each message has one id.

Nothing here sends, and no message holds a value of the data. What people wrote is put on one line, in quotation marks,
cut short, without what no eye sees.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.core import streams
from include.core.events import AccessLapsed
from include.core.records import Contract
from include.governance.access import identifier
from include.governance.decisions import RequestOutcome
from include.governance.register import Register
from include.governance.registered import RegisteredGrant, RegisteredRequest, RequestStatus
from include.governance.unusual_reads import KINDS, unusual_reads
from include.ledger import Ledger

#: Who gets a message when a request waits on after a reminder.
ESCALATION = "*"
#: A renewal is due that long before the end of a grant, or in the last quarter of its life if that is shorter.
RENEWAL = timedelta(days=14)
#: What happened longer ago is sent to nobody any more: a deployment that begins to send does not report years.
TOLD_WITHIN = timedelta(days=14)
_LONGEST_QUOTE = 500

#: The contract in effect for a dataset, or that of its file before any is; ``None``: neither can be used.
ContractOf = Callable[[str], Contract | None]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message to the person ``to``, or to :data:`ESCALATION`. The same matter has the same ``notice_id``."""

    notice_id: str
    to: str
    title: str
    body: str


def lapse(ledger: Ledger, register: Register, contract_of: ContractOf, *, now: datetime) -> int:
    """Record that requests lapse about which nobody decided in their contract's time; how many."""
    lapsed = 0
    for asked in register.waiting():
        days = _patience(asked, contract_of)[1]
        if now < asked.at + timedelta(days=days):
            continue
        request = asked.request
        stream = streams.access(request.project, request.scope.dataset)
        version = ledger.version(stream)
        if not register.request(request.request_id).waits:  # decided between the two looks
            continue
        # Where another came first the next look sees it.
        event = AccessLapsed(request_id=request.request_id, days=days)
        lapsed += bool(ledger.offer(stream, event, expected_version=version))
    return lapsed


def notices(ledger: Ledger, register: Register, contract_of: ContractOf, *, now: datetime) -> Iterator[Notice]:
    """All that is to be sent *now* (UTC), whether or not it was sent before."""
    for asked in register.waiting():
        yield from _of_request(asked, contract_of, now)
    for asked in register.decided(since=now - TOLD_WITHIN):
        yield from _of_decision(asked)
    yield from _of_renewals(register.grants(now=now), now)
    for read in unusual_reads(ledger.read_all(kinds=KINDS)):
        if read.at < now - TOLD_WITHIN:
            continue
        adoption = register.adoption(read.dataset)
        for steward in adoption.stewards if adoption else ():
            yield _notice(
                (read.kind, read.project, read.dataset, read.run_id),
                steward,
                f"{read.project}: an unusual read of {read.dataset}",
                f"Run {quoted(read.run_id)} read {read.dataset} under grant {read.grant_id}: {read.why}. If that is "
                f"not as it should be: `./trainyard access revoke {read.grant_id}`, or the page Data access.",
            )


def quoted(text: str) -> str:
    """What somebody wrote, on one line, in quotation marks, cut short, without what no eye sees or what turns text."""
    line = "".join(letter if unicodedata.category(letter)[0] != "C" else " " for letter in text)
    line = " ".join(line.replace('"', "'").split())
    return f'"{line[:_LONGEST_QUOTE]}{"…" if len(line) > _LONGEST_QUOTE else ""}"'


def _of_request(asked: RegisteredRequest, contract_of: ContractOf, now: datetime) -> Iterator[Notice]:
    request, age = asked.request, now - asked.at
    remind, lapse_after = _patience(asked, contract_of)
    stage = max(0, min(age // timedelta(days=remind), 2))
    stewards = asked.stewards or _stewards(contract_of, request.scope.dataset)
    title = f"{request.project} asks for {request.scope.dataset}"
    until = asked.at + timedelta(days=lapse_after)
    who = ", ".join(quoted(each) for each in asked.askers)
    body = (
        f"{who} asked on {asked.at:%Y-%m-%d}, for {quoted(request.purpose)}: "
        f"{len(request.scope.columns)} columns of {request.scope.dataset}. "
        + (
            f"Before it, a request was {_outcome(asked.before.outcome, asked.before.by, asked.before.reason)}. "
            if asked.before
            else ""
        )
        + f"It lapses on {until:%Y-%m-%d}. Decide on the page Data access, or with `./trainyard access show "
        f"{request.request_id}` and `approve` or `deny`."
    )
    if asked.standing is RequestStatus.UNADOPTED:
        body = f"Its contract's file has to be adopted first. {body}"
    for steward in stewards:
        yield _notice(
            ("request", request.request_id, str(min(stage, 1))),
            steward,
            f"Reminder: {title}" if stage else title,
            body,
        )
    if stage == 2:  # reminded, and as long again
        named = ", ".join(stewards) or "none"
        yield _notice(
            ("request", request.request_id, "escalation"),
            ESCALATION,
            f"Nobody decides: {title}",
            f"Its stewards ({named}) have not decided for {age.days} days. {body}",
        )


def _of_decision(asked: RegisteredRequest) -> Iterator[Notice]:
    request, decided = asked.request, asked.decided
    if decided is None:
        return
    until = f" until {decided.until:%Y-%m-%d}" if decided.until and decided.outcome is RequestOutcome.GRANTED else ""
    for asker in asked.askers:
        yield _notice(
            ("decision", request.request_id, decided.outcome.name),
            asker,
            f"{request.project}: {request.scope.dataset} was {decided.outcome}",
            f"What you asked for on {asked.at:%Y-%m-%d}, for {quoted(request.purpose)}, was "
            f"{_outcome(decided.outcome, decided.by, decided.reason)}{until}. Request {request.request_id}.",
        )


def _of_renewals(held: tuple[RegisteredGrant, ...], now: datetime) -> Iterator[Notice]:
    for each in held:
        grant = each.grant
        life = grant.expires_at - grant.not_before
        later = any(
            (other.grant.project, other.grant.scope.dataset, other.grant.purpose)
            == (grant.project, grant.scope.dataset, grant.purpose)
            and (other.grant.expires_at, other.grant.grant_id) > (grant.expires_at, grant.grant_id)
            for other in held
        )
        if later or now < grant.expires_at - min(RENEWAL, life / 4):
            continue
        for person in dict.fromkeys((*each.stewards, grant.requester)):
            yield _notice(
                ("renewal", grant.grant_id),
                person,
                f"{grant.project}: its grant for {grant.scope.dataset} ends on {grant.expires_at:%Y-%m-%d}",
                f"Grant {grant.grant_id} of {grant.steward}, for {quoted(grant.purpose)}, ends at "
                f"{grant.expires_at:%Y-%m-%d %H:%M}Z. The project's first night after that asks again, and waits.",
            )


def _outcome(outcome: RequestOutcome, by: str, reason: str) -> str:
    return f"{outcome}{f' by {by}' if by else ''}: {quoted(reason)}"


def _patience(asked: RegisteredRequest, contract_of: ContractOf) -> tuple[int, int]:
    """After how many days its stewards are reminded, and after how many it lapses."""
    contract = contract_of(asked.request.scope.dataset)
    return (contract.remind_after_days, contract.lapse_after_days) if contract else (3, 14)


def _stewards(contract_of: ContractOf, dataset: str) -> tuple[str, ...]:
    contract = contract_of(dataset)
    return contract.stewards if contract else ()


def _notice(matter: tuple[str, ...], to: str, title: str, body: str) -> Notice:
    notice_id = identifier("n", *matter, to)
    return Notice(notice_id=notice_id, to=to, title=title, body=f"{body}\nMessage {notice_id}.")
