"""``verify`` and ``witness``: whether the records were altered, for somebody who trusts nobody here."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from include.audit.checkpoints import SignedCheckpoint, trusted_keys, verified
from include.audit.comparison import Fault
from include.audit.places import place_at
from include.audit.proofs import SIGNATURE, Key, Note, ProofError
from include.audit.verification import Outside, Verification
from include.audit.verification import verify as walk
from include.audit.witness import Witness
from include.cli.console import console
from include.core.errors import AuthorityError, DeclarationError, LedgerUnavailable
from include.ledger import Ledger
from include.runtime import deployment
from include.settings import Settings

Against = Annotated[
    list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere; as often as there are.")
]
Since = Annotated[Path | None, typer.Option(help="A checkpoint verified before: read only what was recorded since.")]
Keep = Annotated[Path | None, typer.Option(help="Write the newest checkpoint there, once all is verified.")]
Keys = Annotated[list[str] | None, typer.Option(help="A verifier's key of the authority, beside those in the home.")]
Cosigner = Annotated[str | None, typer.Option(help="A witness's key: each --against is cosigned with it.")]


def verify(
    against: Against = None,
    since: Since = None,
    keep: Keep = None,
    key: Keys = None,
    witness: Cosigner = None,
    artifacts: Annotated[bool, typer.Option(help="Read store and vault through, too.")] = True,
) -> None:
    """Walk ledger, tree, checkpoints, store and vault, and name the first thing that is not what was recorded.

    The status is 1 if there is one. Without a checkpoint that was kept elsewhere (--against) nobody can tell whether
    all of it was replaced.
    """
    settings = Settings.from_environment()
    deployment.require(settings)
    publics = [*trusted_keys(settings.keys), *(_key(each).public for each in key or ())]
    kept = [(path, _checkpoint(path, publics, witness)) for path in against or ()]
    outside = [Outside(shown=str(path), checkpoint=found.checkpoint) for path, found in kept]
    ledger = Ledger.open(settings.ledger)
    with console.status("Reading the ledger through"):
        known = _checkpoint(since, publics, None).checkpoint if since else None
        found = walk(ledger, deployment.places_of(settings), publics, outside=outside, since=known)
    faults = [*found.faults, *(_unsound_artifacts(settings, ledger) if artifacts else ())]
    for line in _lines(found, publics[0]) if not found.faults else ():
        console.say(line)
    for number, fault in enumerate(faults):
        console.say(f"{'ALTERED' if number == 0 else 'also'}: {fault.text}")
    if faults:
        raise typer.Exit(1)
    if keep is not None and found.signed is not None:
        keep.write_text(str(found.signed.note))
        console.say(f"kept:        {keep}; hold it where nobody who writes to the ledger can write")


def witness(
    place: Annotated[str, typer.Argument(help="A place of checkpoints: a folder, or s3://bucket/folder.")],
    folder: Annotated[Path, typer.Option(help="The witness's own: its key, and the last checkpoint that it cosigned.")],
    key: Annotated[list[str], typer.Option(help="The verifier's key of the ledger's authority; former ones, too.")],
    name: Annotated[str, typer.Option(help="Under which name it cosigns.")] = "witness",
    every: Annotated[int, typer.Option(min=1, help="Seconds between two looks.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Cosign each checkpoint in PLACE that continues the last one cosigned; refuse any other, and end with status 1."""
    watching = Witness(folder, name, [_key(each).public for each in key])
    console.say(f"key:         {watching.key}")
    while True:
        try:
            seen = watching.look(place_at(place))
            size = f"{seen.checkpoint.size:,} events" if seen else "nothing: no checkpoint lies there yet"
            console.say(f"cosigned:    {size}")
        except LedgerUnavailable as error:
            console.say(f"{place} cannot be read: {error.value}")
        if once:
            return
        time.sleep(every)


def _lines(found: Verification, public: bytes) -> Iterator[str]:
    """What was verified, in words, a matter a line."""
    read = f"{found.read:,} of {found.size:,} events read" if found.read < found.size else f"{found.size:,} events"
    yield f"ledger:      {read}, each in its place and as it was sealed"
    if found.signed is None:
        yield "checkpoints: NOT SHOWN: nothing was signed yet; the authority signs when it runs"
    else:
        signed = found.signed.checkpoint
        yield f"checkpoints: {found.checkpoints:,} agree; the newest, of {signed.size:,} events, was signed at " + (
            f"{found.signed.signed_at:%Y-%m-%d %H:%M:%S}Z"
        )
        yield f"key:         {Key(name=signed.origin, kind=SIGNATURE, public=public)}"
        if found.size > signed.size:
            yield f"not signed:  positions {signed.size + 1:,} to {found.size:,}, until the authority runs"
    for late in found.late:
        recorded, signed_at = f"{late.recorded_at:%Y-%m-%d %H:%M}Z", f"{late.signed_at:%Y-%m-%d %H:%M}Z"
        yield f"signed late: positions {late.first:,} to {late.last:,}, recorded from {recorded} on, at {signed_at}"
    if found.outside:
        yield f"unaltered since the checkpoints kept elsewhere: {', '.join(found.outside)}"
    else:
        yield "ROLLBACK NOT EXCLUDED: no checkpoint from elsewhere was given (--against)"


def _unsound_artifacts(settings: Settings, ledger: Ledger) -> Sequence[Fault]:
    from include.audit.artifacts import altered, missing
    from include.store import Store

    store, vault = Store(settings.store), deployment.vault_of(settings)
    faults = list(missing(ledger, store, vault))
    for where, kept in (("store", store), ("vault", vault)):
        read = list(_shown(altered(where, kept), f"Reading the {where} through"))
        faults += [fault for fault in read if fault is not None]
        console.say(f"{where + ':':12} artifacts read through: {len(read):,}")
    return faults


def _shown(work: Iterable[Fault | None], what: str) -> Iterable[Fault | None]:
    """*work*, with a progress bar where somebody looks."""
    return track(work, what, console=console, transient=True, disable=not console.is_terminal)


def _key(text: str) -> Key:
    try:
        return Key.parse(text)
    except ProofError as error:
        remedy = "Give it as `./trainyard verify` prints it: NAME+ID+KEY."
        raise DeclarationError(str(error), value=text, remedy=remedy) from None


def _checkpoint(path: Path, publics: Sequence[bytes], cosigner: str | None) -> SignedCheckpoint:
    """The checkpoint in the file *path*, signed by the authority, and cosigned by the witness if one is named."""
    try:
        written = path.read_bytes()
        if cosigner is not None and _key(cosigner).signed(Note.parse(written.decode())) is None:
            raise ProofError("the witness did not cosign it")
        return verified(written, publics)
    except (OSError, ProofError, UnicodeDecodeError) as error:
        raise AuthorityError(
            f"{path}: a checkpoint that this ledger's authority signed",
            value=str(error),
            remedy="If it is of another deployment, take the right one; if keys were exchanged since, give the former "
            "one with --key. If neither, the key in this home was replaced.",
        ) from None
