"""How a browser reads a URL: what the judge of redirects is measured against."""

from tests.whatwg import whatwg

__all__ = ["whatwg"]
