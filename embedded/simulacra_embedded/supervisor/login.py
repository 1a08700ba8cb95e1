"""Link that signs the user of this machine in to the console, once."""

from collections.abc import Mapping
from typing import Any

import httpx2


async def login_link(known: Mapping[str, Any]) -> str | None:
    """Return the link for the client of a connection.json's content; None if the API gives none.

    A suspended tenant gets none, for example: the console then says why.
    """
    names = ("client_id", "client_secret", "audience")
    form = {"grant_type": "client_credentials"} | {name: known[name] for name in names}
    try:
        url = known["api_url"]  # of this machine: no proxy of the environment gets the secret
        async with httpx2.AsyncClient(base_url=url, timeout=5.0, trust_env=False) as http:
            issued = await http.post("/oauth/token", data=form)
            token = issued.raise_for_status().json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.post("/console/login-codes", headers=headers)
            return str(answer.raise_for_status().json()["url"])
    except (httpx2.HTTPError, ValueError, KeyError):
        return None
