"""What auditors ask of a model, and where its passport answers.

A question is answered by what is recorded of the version, each with its position; "none" is an answer only where a
person said so, with name and date. Our own list, no legal advice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.audit.evidence import Section

#: What stands in a section: the name of a claim, or the title of a table with at least one row.
Wanted = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Question:
    """``wanted`` answers it together; ``open`` says why nothing does yet, where that is so whatever is recorded."""

    number: int
    asks: str
    wanted: tuple[Wanted, ...] = ()
    open: str = ""


@dataclass(frozen=True, kw_only=True)
class AnswerPlace:
    """Where an answer stands: what, in which section, and the event or manifest that it is read from."""

    section: str
    what: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether a question is answered; where, and otherwise why not."""

    number: int
    question: str
    answered: bool
    places: tuple[AnswerPlace, ...]
    why_open: str


_NO_VALIDATOR = "no validation by somebody else than the developer is recorded"


def _question(number: int, asks: str, *wanted: str, why_open: str = "") -> Question:
    """*wanted* as ``section: what``."""
    places = (each.partition(": ") for each in wanted)
    return Question(
        number=number, asks=asks, wanted=tuple((section, what) for section, _, what in places), open=why_open
    )


QUESTIONS = (
    _question(1, "Which model, which tier, whose?", "identity: version", "purpose: owner", "purpose: tier"),
    _question(2, "Why this tier?", "purpose: tier reason"),
    _question(3, "Intended use, limits?", "purpose: purpose", "purpose: limits", "purpose: not for"),
    _question(4, "Exact training rows?", "data: snapshot", "data: Split"),
    _question(5, "Where did they come from?", "data: Data sets", "data: Contracts"),
    _question(6, "Every transformation of every feature?", "features: Features", "features: How they are computed"),
    _question(7, "Who allowed access, and why?", "access: Requests and decisions", "access: Grants"),
    _question(8, "Was access within scope?", "access: Reads against grants"),
    _question(
        9,
        "Emergency accesses?",
        why_open="there is no such access in Trainyard, and what goes around it leaves no event",
    ),
    _question(10, "What personal data, what treatment?", "personal: Columns that were read"),
    _question(11, "Special categories used?", "purpose: special categories"),
    _question(12, "Data quality at training time?", "quality: Expectations of this night"),
    _question(
        13, "Representative?", why_open="no report compares the sample with the population that is decided about"
    ),
    _question(14, "Bias examined, mitigated?", "performance: Slices", "decision: gates"),
    _question(15, "Assumptions, gaps?", "purpose: assumptions"),
    _question(
        16,
        "Code, libraries, hardware?",
        "environment: code",
        "environment: Installed packages",
        "environment: processor",
    ),
    _question(17, "All trials, or only the winner?", "search: trials planned", "search: Trials"),
    _question(18, "Can you reproduce it?", why_open="no rebuild of this version is recorded"),
    _question(19, "Independent validation?", why_open=_NO_VALIDATOR),
    _question(20, "Challengers compared?", "performance: Challengers", "performance: Figures"),
    _question(
        21,
        "Who signed the test logs, when?",
        "identity: signed with key",
        "identity: decided at",
        "identity: the decision is about these figures",
    ),
    _question(22, "Human oversight?", "access: Grants", "decision: overrides in force at the decision"),
    _question(23, "Is this file the approved model?", "identity: model", "identity: promoted"),
    _question(24, "What changed since the last version?", "difference: What changed"),
    _question(25, "Does it still work?", "since: Judged days", "since: Verdicts of the watch"),
    _question(26, "Why was this applicant declined?", why_open="no reason codes are computed for a single decision"),
    _question(
        27,
        "Erase this person: which models?",
        why_open="no index leads from a token to the models that learnt from its rows",
    ),
    _question(28, "Processing record?", "access: Grants", "purpose: lawful basis", "personal: Columns that were read"),
    _question(29, "Retention kept?", "since: retention last carried out", "data: Contracts"),
    _question(
        30,
        "Were logs altered or lost?",
        why_open="no checkpoint of the ledger that covers all of its events was at hand",
    ),
    _question(31, "Open findings?", "purpose: open findings"),
    _question(32, "Third-party parts?", "purpose: third party"),
)

#: The first version of a project has nothing before it: that answers what changed.
_FIRST: Wanted = ("difference", "first version of the project")
#: What every answer that says "none" needs beside it.
_SAID_BY: tuple[Wanted, ...] = (("purpose", "said by"), ("purpose", "said on"))


def answers(sections: Sequence[Section], *, proven: bool) -> tuple[Answer, ...]:
    """Each question, answered or open, by *sections*. *proven*: each event has its proof to a signed checkpoint."""
    known = {section.id: section for section in sections}
    return tuple(_answer(question, known, proven=proven) for question in QUESTIONS)


def _answer(question: Question, known: dict[str, Section], *, proven: bool) -> Answer:
    wanted, why = question.wanted, question.open
    if question.number == 24 and known["difference"].named(_FIRST[1]):
        wanted = (_FIRST,)
    if question.number == 30 and proven:
        wanted, why = (("identity", "registered at"),), ""
    wanted += _SAID_BY if any(_says_none(each, known) for each in wanted) else ()
    found = [(each, _place(each, known)) for each in wanted]
    missing = [f"{what} ({section})" for (section, what), place in found if place is None]
    if missing:
        why = f"not recorded: {', '.join(missing)}"
    return Answer(
        number=question.number,
        question=question.asks,
        answered=bool(wanted) and not missing,
        places=tuple(place for _, place in found if place is not None),
        why_open=why,
    )


def _says_none(wanted: Wanted, known: dict[str, Section]) -> bool:
    """Whether the claim answers "none": then a person must answer for it."""
    claim = known[wanted[0]].named(wanted[1])
    return claim is not None and isinstance(claim.value, str) and claim.value.lower().startswith(("none", "no "))


def _place(wanted: Wanted, known: dict[str, Section]) -> AnswerPlace | None:
    return next(_places(wanted, known[wanted[0]]), None)


def _places(wanted: Wanted, section: Section) -> Iterator[AnswerPlace]:
    claim = section.named(wanted[1])
    if claim is not None:
        yield AnswerPlace(section=section.id, what=claim.name, source=claim.source)
    for table in section.tables:
        cells = (cell for row in table.rows for cell in row.cells if cell is not None)
        if table.title == wanted[1] and (first := next(cells, None)) is not None:
            yield AnswerPlace(section=section.id, what=table.title, source=first.source)
