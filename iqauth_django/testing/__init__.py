"""For the tests of projects that use this package: an issuer of their own."""

from iqauth_django.issuer.context import Lifetimes

from .browser import Browser, approve
from .issuer import TestIssuer, create_test_issuer

__all__ = ["Browser", "Lifetimes", "TestIssuer", "approve", "create_test_issuer"]
