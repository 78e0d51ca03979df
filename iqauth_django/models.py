"""One table: which Django user an identity at an issuer is."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Identity(models.Model):
    """Issuer and subject → user.

    The key is a digest of both, compared exactly on every database: some compare texts without regard to case, and two
    subjects that differ only in case are two people (OpenID Connect Core section 2, "sub").
    """

    digest = models.CharField(primary_key=True, max_length=64, editable=False)
    issuer = models.CharField(_("issuer"), max_length=1024, editable=False)
    subject = models.CharField(_("subject"), max_length=255, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="iqauth_identities", verbose_name=_("user")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"

    @staticmethod
    def digest_of(issuer: str, subject: str) -> str:
        return hashlib.sha256(f"{issuer}\x00{subject}".encode("utf-8", "surrogatepass")).hexdigest()
