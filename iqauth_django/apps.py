from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IQAuthConfig(AppConfig):
    name = "iqauth_django"
    label = "iqauth"
    verbose_name = _("IQAuth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, logs

        checks.register()
        logs.redact_access_logs()
