"""The run facet ``trainyard_accessGrants``: under which grants a step ran. Its schema lies in ``docs/lineage``."""

from collections.abc import Sequence

from include.core.records import Grant

FACET = "trainyard_accessGrants"
SCHEMA = "urn:trainyard:lineage:AccessGrantsRunFacet:1-0-0"


def access_facet(grants: Sequence[Grant], *, producer: str) -> dict[str, object]:
    """*grants* without the people in them: who asked and who decided stands in the ledger."""
    told = [
        {
            "grantId": grant.grant_id,
            "dataset": grant.scope.dataset,
            "contractDigest": grant.scope.contract_digest,
            "purpose": grant.purpose,
            "notBefore": grant.not_before.isoformat(),
            "expiresAt": grant.expires_at.isoformat(),
        }
        for grant in grants
    ]
    return {"_producer": producer, "_schemaURL": SCHEMA, "grants": told}
