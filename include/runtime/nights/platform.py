"""The platform that every runtime opens from the settings, and what names and dates the runs of this process."""

import os
import pwd

from include.contracts import load_folder
from include.core.canonical import record_digest
from include.core.clocks import utc_now as utc_now
from include.core.project import Project
from include.core.records import Start, Trigger
from include.engines import engine_at
from include.governance.access import Access
from include.governance.signing import Signer, Verifier
from include.ledger import Ledger
from include.registry.champions import Champions
from include.runtime import deployment
from include.runtime.code import kept as kept_code
from include.runtime.code.commits import commit_of
from include.runtime.code.digest import code_digest, rooms_of_this_process
from include.runtime.code.packages import environment_of_this_process
from include.runtime.code.projects import load_project
from include.runtime.trainers import trainer_of
from include.settings import ROOT, Settings
from include.steps import Platform


def open_platform(settings: Settings) -> Platform:
    """The platform of *settings*: cheap, since every task does it.

    Raises:
        DeclarationError: a key is missing (``./trainyard setup`` makes what a new home lacks).
        LedgerUnavailable: the ledger's database cannot be reached.
    """
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.vault import Vault
    from include.runtime.nights import promoting
    from include.store import Store

    deployment.require(settings)
    ledger = Ledger.open(settings.ledger)
    authority, store = Verifier.load(settings.keys / deployment.AUTHORITY_PUBLIC_KEY), Store(settings.store)
    access = Access(ledger, authority)
    return Platform(
        ledger=ledger,
        store=store,
        vault=Vault(deployment.vault_of(settings), access, ledger, lists=store),
        access=access,
        contracts=load_folder(settings.contracts, settings.classes),
        pseudonyms=Pseudonyms.load(settings.keys / deployment.PSEUDONYM_KEY),
        production=settings.production,
        source_credentials=settings.source_credentials_file,
        signer=Signer.load(settings.keys / deployment.MODEL_KEY),
        verifier=Verifier.load(settings.keys / deployment.MODEL_PUBLIC_KEY),
        champions=Champions(ledger, authority),
        await_authority=promoting.beside(settings),
        versions=deployment.versions_of(settings),
        code=lambda project: code_digest(ROOT / "include", settings.projects, project, rooms_of_this_process()),
        keep_code=lambda project, code: kept_code.keep(settings, ledger, project, code),
        environment=environment_of_this_process,
        trainer_image=trainer_of(settings).image,
        engine=engine_at(settings.engine),
        commit=lambda project: commit_of(settings.projects / project),
        separation_of_duties=deployment.separation_of_duties(settings),
    )


def opened(settings: Settings, project: str) -> tuple[Platform, Project]:
    """The platform, and the project of that name."""
    return open_platform(settings), load_project(project, settings.projects)


def signed_in_here(trigger: Trigger = Trigger.LOGIN) -> Start:
    """What sets off a run of this process: the account, as the operating system knows it, whatever a variable says."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        account = f"user {os.getuid()}"
    return Start(trigger=trigger, who=account)


def declared_digest(settings: Settings, project: Project) -> str:
    """What names the nights and watches that somebody starts by hand, beside their instants.

    Another code and another version of a contract make it another one, since none goes on under the one before.

    Raises:
        ContractError: a contract of the project cannot be used.
    """
    from include.declared.declaration import digest_of

    code = code_digest(ROOT / "include", settings.projects, project.name, rooms_of_this_process())
    return record_digest((code, digest_of(project, load_folder(settings.contracts, settings.classes))))
