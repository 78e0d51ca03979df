from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _


class IQAuthConfig(AppConfig):
    name = "iqauth_django"
    label = "iqauth"
    verbose_name = _("IQAuth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import backends, checks, logs

        post_save.connect(
            backends.end_sessions_of_inactive, sender=settings.AUTH_USER_MODEL, dispatch_uid="iqauth_django.inactive"
        )
        checks.register()
        logs.redact_access_logs()
