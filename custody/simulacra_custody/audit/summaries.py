"""What the operator signs of a wave summary: whose it is, and the digest of its content."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel

from simulacra_custody.audit.event import Sha256


class SummaryStatement(BaseModel, extra="forbid", frozen=True):
    """The statement that is signed.

    Attributes:
        installation: name of the installation's audit log.
        tenant_uid: of the tenant, the only one that may hand the summary back.
        dataset: name of the dataset whose waves are shown.
        model_uid: of the model whose artifact the summary is.
        sha256: of the summary's canonical form.
    """

    version: Literal[1] = 1
    installation: str
    tenant_uid: str
    dataset: str
    model_uid: str
    sha256: Sha256
    issued_at: AwareDatetime
