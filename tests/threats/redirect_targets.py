"""Where somebody may want a browser to be sent: 76 attacks (R1), six that Django's own judge lets through (R2), and
fifteen ordinary targets (R3). The site is https://testserver, and https://app.example is allowed beside it.

The attacks are the known ones against parsers that read a URL in another way than a browser does: the WHATWG URL
standard (tabs and newlines are dropped, a backslash is a slash, any number of slashes follows a special scheme), RFC
3986, Unicode's compatibility forms in host names, and code that looks for the site's name somewhere in the text.
"""

from __future__ import annotations

OWN = "https://testserver"
ALLOWED = ("https://app.example",)

ATTACKS = (
    # Protocol-relative, with slashes and backslashes in every mixture.
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example/%2e%2e",
    "//testserver/page",
    "//testserver@evil.example",
    "//evil.example:443\\@testserver",
    "/\\evil.example",
    "/\\/evil.example",
    "//\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "\\evil.example",
    "/page\\..\\..\\\\evil.example",
    # Tabs, newlines and controls, which a browser drops or trims.
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    "/\t\\evil.example",
    "\x00//evil.example",
    "/\x00/evil.example",
    "\x01https://evil.example",
    "\x1f//evil.example",
    "\x0b//evil.example",
    " //evil.example",
    " https://evil.example",
    "ht\ntps://evil.example",
    "/\x7f/evil.example",
    # A header of one's own.
    "/page\r\nLocation: https://evil.example",
    "/page\nSet-Cookie: iqauth_at=planted",
    "/page\r\n\r\n<script>alert(1)</script>",
    # A scheme, with the wrong number of slashes.
    "https://evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "http:///evil.example",
    "https:/\\evil.example",
    # User information.
    "https://testserver@evil.example",
    "https://testserver:443@evil.example/",
    "https://user:secret@testserver/",
    "https://evil.example@testserver/",
    "https://testserver%2f@evil.example",
    "https://testserver\\@evil.example",
    "https://evil.example\\@testserver",
    # The site's name as a part of another.
    "https://testserver.evil.example",
    "https://testserverevil.example",
    "https://testserver%2eevil.example",
    "https://testserver%00.evil.example",
    "https://evil.example/testserver",
    "https://evil.example?https://testserver",
    "https://evil.example#https://testserver",
    "https://app.example.evil.example",
    "https://sub.app.example",
    # Letters that a browser takes for others: IDNA dots, fullwidth forms, look-alikes.
    "https://testserver\u3002evil.example",
    "//evil\u3002example",
    "//evil\uff0eexample",
    "https://evil\uff61example",
    "\uff0f\uff0fevil.example",
    "/\uff0fevil.example",
    "https://testserver\uff03.evil.example",
    "https://evil.example\u2100testserver",
    "https://t\u0435stserver/",
    "/\u2028/evil.example",
    # Other schemes.
    "javascript:alert(1)",
    "JaVa\tScRiPt:alert(1)",
    "javascript://testserver/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "blob:https://testserver/1",
    # The right host, but another port or no TLS.
    "https://testserver:8443/",
    "https://testserver:0/",
    "http://testserver/",
    "http://app.example/",
    "https://testserver:99999/",
)

PATHS_THAT_ARE_PROTOCOL_RELATIVE = (
    "/.//evil.example",
    "/a/..//evil.example",
    "/%2e//evil.example",
    "/a/%2E%2e//evil.example",
    "https://testserver//evil.example",
    "https://testserver/.//evil.example",
)

ORDINARY = (
    "/",
    "/page",
    "/page?tab=2&sort=name#top",
    "/page?next=https%3A%2F%2Fevil.example%2F",
    "/page?next=//evil.example",
    "/a%2Fb/c",
    "/projects/acme:harbour/",
    "/@ada/notes",
    "/mail/ada@acme.example",
    "/caf%C3%A9/%E6%97%A5%E6%9C%AC?q=%E2%9C%93",
    "/a/./b/../c//d",
    "/search?q=a+b;c=(d)!*'~",
    "https://testserver/page?x=1",
    "https://app.example/inbox?tab=2#top",
    "https://app.example",
)
