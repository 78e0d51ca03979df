"""The development and test issuer: a real OpenID Provider that speaks IQAuth, for laptops, tests and aeroplanes.

One issuer, several doors: ``python -m iqauth_django.issuer`` serves it on a port with its state on disk;
``iqauth_django.testing.create_test_issuer`` starts one inside a test. It needs no Django.

A request walks: ``server`` or ``adapter`` → ``app.Issuer.handle`` → ``routes`` → one handler with the ``context`` →
``store``. Time is ``clock``, randomness is ``randomness``, and nothing else asks the operating system for either.
"""
