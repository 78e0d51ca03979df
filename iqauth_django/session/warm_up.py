"""What a process has to fetch before it can decide without asking: the issuer's keys, and which sessions have ended.

A cold process under ASGI is met by many requests at once. They all wait for one piece of work, on one thread.
"""

from __future__ import annotations

from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol.errors import IQAuthError

from . import revocation
from .single_flight import SingleFlight

_flights: SingleFlight[IQAuthError | None] = SingleFlight()


async def awarm_up(client: IQAuth) -> IQAuthError | None:
    """Have keys and news of ended sessions; why there are none, otherwise. Waits without a thread."""
    try:
        error = await _flights.arun(f"{id(client)}", lambda: _warm_up(client))
    except IQAuthError as busy:
        return busy
    return None if error is None else error.again()


def _warm_up(client: IQAuth) -> IQAuthError | None:
    revocation.catch_up()
    if client.keyring.cached() is None:
        try:
            client.keyring.keys()
        except IQAuthError as error:
            return error
    return None
