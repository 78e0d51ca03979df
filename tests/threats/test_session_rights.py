"""S14: rights that were changed at the issuer, and people of several tenants."""

from __future__ import annotations

import pytest

from tests.browser import DOCUMENT, FETCH, ME, REFRESH, Visitor
from tests.sessions import signed_in


def roles(visitor: Visitor) -> list[str]:
    return list(visitor.fetch(ME).json()["data"]["user"]["roles"])


@pytest.mark.parametrize("how", ["by the endpoint", "by the middleware"])
def test_S14_changed_roles_are_seen_at_the_next_refresh_and_not_before(how: str, visitor: Visitor) -> None:
    signed_in(visitor)
    assert roles(visitor) == ["tenant_admin"]
    visitor.issuer.set_roles("admin", ["viewer"])
    assert roles(visitor) == ["tenant_admin"], "what was granted is granted until the token ends"
    assert visitor.send("GET", "/admins", DOCUMENT).status_code == 200
    if how == "by the endpoint":
        assert visitor.fetch(REFRESH, "POST").status_code == 200
    else:
        visitor.jar["iqauth_at"] = visitor.issuer.mint_token(user="admin", exp_in=-60)
        refused = visitor.send("GET", "/admins", DOCUMENT)
        assert refused.status_code == 403, "the view already sees the new ones"
    assert roles(visitor) == ["viewer"]
    assert visitor.send("GET", "/admins", FETCH).status_code == 403


def test_S14_a_request_has_the_claims_of_one_tenant(visitor: Visitor) -> None:
    """A refresh in the middle of it replaces all of them: nothing of the tenant before is left."""
    signed_in(visitor)
    visitor.jar["iqauth_at"] = visitor.issuer.mint_token(
        user="admin", exp_in=-60, tenantId="ten_globex", roles=["globex_only"], entitlements=["globex_only"]
    )
    page = visitor.navigate("/page")
    assert page.content == b"page of usr_admin"
    answer = visitor.fetch(ME).json()["data"]
    assert answer["tenantId"] == answer["user"]["tenantId"] == answer["claims"]["tenantId"] == "ten_acme"
    assert "globex" not in str(answer)
