"""The sections of a passport, in their order: each is read from what is recorded of a version, and nothing else."""

from include.audit.sections.access import access, personal
from include.audit.sections.data import data, features, quality
from include.audit.sections.identity import deployment, environment, identity, purpose
from include.audit.sections.life import decision, difference, since
from include.audit.sections.model import performance, search

#: Every section, in the order in which a reader meets them.
SECTIONS = (
    identity,
    deployment,
    purpose,
    data,
    access,
    personal,
    quality,
    features,
    search,
    performance,
    decision,
    since,
    environment,
    difference,
)
