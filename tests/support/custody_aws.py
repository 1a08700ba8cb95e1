"""A customer's AWS account in MiniStack: the key, its reader and the service's user."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import boto3

from custody_servers import REGION, Server, aws_env

ACCOUNT = "000000000000"


@dataclass
class CustomerAccount:
    """A customer's key with its policy, the customer's reader and the service's user.

    Attributes:
        server: MiniStack.
        key_arn: the customer's key.
        service: credentials of the service.
        customer: credentials of the user that may decrypt.
    """

    server: Server
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    key_arn: str = ""
    service: dict[str, str] = field(default_factory=dict)
    customer: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.service, self.customer = self._user("service"), self._user("customer")
        self.key_arn = self.root("kms").create_key()["KeyMetadata"]["Arn"]
        self.allow_service("kms:GenerateDataKey")

    def root(self, service: str) -> Any:
        """Return a client of the account's administrator."""
        return boto3.Session().client(
            service,
            endpoint_url=self.server.url,
            region_name=REGION,
            aws_access_key_id=self.server.access,
            aws_secret_access_key=self.server.secret,
        )

    def allow_service(self, *actions: str, principal: str | None = None) -> None:
        """Set the documented key policy, with these actions for the service or its role."""
        statements = [
            ("AdministerButNeverDecrypt", f"arn:aws:iam::{ACCOUNT}:root", ["kms:*"]),
            ("CustomerReads", f"arn:aws:iam::{ACCOUNT}:user/customer-{self.name}", ["kms:Decrypt"]),
        ]
        if actions:
            who = principal or f"arn:aws:iam::{ACCOUNT}:user/service-{self.name}"
            statements.append(("SimulacraEncrypts", who, list(actions)))
        allow = {"Effect": "Allow", "Resource": "*"}
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {**allow, "Sid": sid, "Principal": {"AWS": who}, "Action": what}
                for sid, who, what in statements
            ],
        }
        self.root("kms").put_key_policy(
            KeyId=self.key_arn, PolicyName="default", Policy=json.dumps(policy)
        )

    def role(self, external_id: str) -> str:
        """Return a role that the service may assume with this id, and that may encrypt."""
        user = f"arn:aws:iam::{ACCOUNT}:user/service-{self.name}"
        condition = {"StringEquals": {"sts:ExternalId": external_id}}
        trust = _document("sts:AssumeRole", Principal={"AWS": user}, Condition=condition)
        iam = self.root("iam")
        name = f"encrypt-{self.name}"
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        arn = str(made["Role"]["Arn"])
        iam.put_role_policy(
            RoleName=name,
            PolicyName="encrypt",
            PolicyDocument=_document("kms:GenerateDataKey", Resource=self.key_arn),
        )
        iam.put_user_policy(
            UserName=f"service-{self.name}",
            PolicyName="assume",
            PolicyDocument=_document("sts:AssumeRole", Resource=arn),
        )
        return arn

    def _user(self, name: str) -> dict[str, str]:
        iam = self.root("iam")
        iam.create_user(UserName=f"{name}-{self.name}")
        made = iam.create_access_key(UserName=f"{name}-{self.name}")["AccessKey"]
        return aws_env(made["AccessKeyId"], made["SecretAccessKey"])


def _document(action: str, **more: object) -> str:
    statement = {"Effect": "Allow", "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
