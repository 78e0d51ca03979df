"""Which URLs may name an issuer or one of its endpoints.

The issuer's URL comes out of a publishable key that a person pasted, and the secret key is sent to where it points: so
it is judged by what it says and not resolved. Refused are all spellings that name one host to a reader and another to a
resolver: user information, numbers as hosts, mapped addresses, non-ASCII letters.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from .errors import IQAuthError

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "instance-data"})
_METADATA_ADDRESSES = frozenset({"fd00:ec2::254", "100.100.100.200"})  # besides the link-local ones


def is_loopback(host: str) -> bool:
    """True for localhost, ``*.localhost``, 127.0.0.0/8 and ::1 (RFC 6761 section 6.3, RFC 8252 section 7.3)."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` in lower case and without the scheme's own port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def check_issuer_url(url: str, *, allow_http_loopback: bool, what: str = "The issuer URL") -> str:
    """Return ``url`` unchanged, or raise ``config_invalid`` saying which part of it is wrong."""
    if any(ord(char) <= 0x20 or ord(char) >= 0x7F or char == "\\" for char in url):
        raise _refused(
            what, "has a space, control or non-ASCII character; write an international host in its xn-- form"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(what, "is not a URL") from None
    if "?" in url or "#" in url:
        raise _refused(what, "has a query or fragment")
    if "@" in parts.netloc:
        raise _refused(what, "has a user name or password in it")
    if not parts.hostname:
        raise _refused(what, "has no host")
    _check_host(parts.hostname, what)
    _check_scheme(parts, what, allow_http_loopback=allow_http_loopback)
    if port is not None and port < 1024 and port not in (80, 443):
        raise _refused(what, f"has port {port}, on which no issuer listens")
    return url


def _check_scheme(parts: SplitResult, what: str, *, allow_http_loopback: bool) -> None:
    if parts.scheme == "https":
        return
    if parts.scheme != "http":
        raise _refused(what, "is not an https URL")
    if not is_loopback(parts.hostname or ""):
        raise _refused(what, "is http: only an issuer on this machine may be spoken to without TLS, use https")
    if not allow_http_loopback:
        raise _refused(what, "is http: only a pk_test_ key may name an issuer on this machine")


def _check_host(host: str, what: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
        if not all(_LABEL.fullmatch(label) for label in labels):
            raise _refused(what, "has a host that is not a name") from None
        # "2130706433", "0x7f.1" and "127.1" are addresses to a resolver and names to a reader.
        if labels[-1].isdigit() or labels[-1].lower().startswith("0x"):
            raise _refused(what, "has a number for a host; write the name, or a whole IP address") from None
        if host.lower().rstrip(".") in _METADATA_HOSTS:
            raise _refused(what, "names a cloud metadata service") from None
        return
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.sixtofour or address.teredo):
        raise _refused(what, "hides an IPv4 address in an IPv6 one")
    if "%" in host or str(address) in _METADATA_ADDRESSES:
        raise _refused(what, "has an address with a zone, or a cloud metadata service's")
    if (
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or (address.is_reserved and not address.is_loopback)
    ):
        raise _refused(what, "has an address on which no issuer can be (link-local, metadata, unspecified or reserved)")


def _refused(what: str, part: str) -> IQAuthError:
    return IQAuthError("config_invalid", f"{what} {part}.", reason="issuer_url")
