"""Where a request may go: URLs held against the declared endpoints. Pure, and without any HTTP library.

URL parsers disagree, and every disagreement between the one that checks and the one that sends is a hole. So this one
accepts little (no user names, no odd hosts, no control characters, no encoded `..`), builds the URL that is sent from
the parts that it checked, and the driver compares once more what its library made of it.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote, unquote

from dandc.lang.values import frozen

_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_PARTS = re.compile(r"//(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?", re.DOTALL)
_RELATIVE = re.compile(r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?", re.DOTALL)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_AUTHORITY = re.compile(rf"(?P<host>\[[0-9A-Fa-f:.]+\]|{_NAME})(?::(?P<port>[0-9]{{1,5}}))?")
_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LONGEST = 8 << 10


class AddressError(Exception):
    """The text is no URL that can be served, or one that the program may not reach."""


@frozen(slots=True)
class Address:
    """An absolute URL in parts: `path` is normalised and starts with `/`; `query` has its `?` or is empty."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who is asked."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The text that is sent."""
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}{self.query}"

    @property
    def shown(self) -> str:
        """The URL for messages: without the query, which may hold data of users."""
        return self.url[: len(self.url) - len(self.query)]

    def covers(self, other: "Address") -> bool:
        """Whether `other` has this origin and lies under this path."""
        prefix = self.path.rstrip("/")
        return self.origin == other.origin and (other.path == prefix or other.path.startswith(prefix + "/"))


def parse_base(text: str) -> Address:
    """The address of an endpoint; raises `AddressError` with a phrase that follows `the address ...`."""
    try:
        address = _parse(text)
    except AddressError as error:
        raise AddressError(f"cannot be used: {error}") from None
    if address.query:
        raise AddressError("has a query, which an endpoint cannot have")
    return address


def parse_url(text: str) -> Address:
    """An absolute URL in parts; raises `AddressError`."""
    return _parse(text)


def resolve(base: Address, url: str, allowed: Iterable[Address]) -> Address:
    """Where the `url` of a request leads: relative to `base`, or absolute under one of `allowed`."""
    if _ABSOLUTE.match(url) or url.startswith("//"):
        return _permit(_parse(url), allowed)
    _check_text(url)
    match = _RELATIVE.fullmatch(url)
    assert match is not None
    path = base.path if not match["path"] else f"{base.path.rstrip('/')}/{match['path'].lstrip('/')}"
    return _permit(Address(*base.origin, _normal_path(path), _quoted(match["query"] or "")), [base])


def follow(current: Address, location: str, allowed: Iterable[Address]) -> Address:
    """Where a redirect from `current` leads; it must be allowed like any other URL."""
    _check_text(location)
    if _ABSOLUTE.match(location):
        return _permit(_parse(location), allowed)
    if location.startswith("//"):
        return _permit(_parse(f"{current.scheme}:{location}"), allowed)
    match = _RELATIVE.fullmatch(location)
    assert match is not None
    path = match["path"]
    if not path:
        path = current.path
    elif not path.startswith("/"):
        path = current.path.rpartition("/")[0] + "/" + path
    return _permit(Address(*current.origin, _normal_path(path), _quoted(match["query"] or "")), allowed)


def _permit(address: Address, allowed: Iterable[Address]) -> Address:
    if not any(base.covers(address) for base in allowed):
        raise AddressError(f"`{address.shown}` is not under an endpoint that the program declares")
    return address


def _parse(text: str) -> Address:
    _check_text(text)
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is None or absolute["scheme"].lower() not in _PORTS:
        raise AddressError("a URL that starts with `http://` or `https://` is expected")
    scheme = absolute["scheme"].lower()
    parts = _PARTS.fullmatch(absolute["rest"])
    authority = _AUTHORITY.fullmatch(parts["authority"]) if parts else None
    if parts is None or authority is None:
        raise AddressError("its host is not a plain host name or address with an optional port")
    port = int(authority["port"]) if authority["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise AddressError("its port is not between 1 and 65535")
    path = _normal_path(parts["path"] or "/")
    return Address(scheme, _host(authority["host"]), port, path, _quoted(parts["query"] or ""))


def _host(text: str) -> str:
    if not text.startswith("["):
        return text.lower()
    try:
        return f"[{IPv6Address(text[1:-1]).compressed}]"
    except AddressValueError:
        raise AddressError("its host is not an IPv6 address") from None


def _check_text(text: str) -> None:
    if len(text) > _LONGEST:
        raise AddressError("the URL is too long")
    if _UNSAFE.search(text):
        raise AddressError("the URL holds a control character or a backslash")


def _normal_path(path: str) -> str:
    """The path without `.` and `..`; refused when those are hidden behind percent signs or lead above the root."""
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        plain = unquote(segment)
        if plain == "..":
            if not segments:
                raise AddressError("the path leads above its root")
            segments.pop()
        elif _UNSAFE.search(plain) or ".." in re.split(r"[/;]", unquote(plain)):
            raise AddressError("the path hides characters that servers read differently")
        elif plain != ".":
            segments.append(_quoted(segment))
    if path.endswith(("/.", "/..")):
        segments.append("")
    return "/" + "/".join(segments)


def _quoted(text: str) -> str:
    """What cannot stand in a URL as percent escapes; escapes that are there stay."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe="%/?:@!$&'()*+,;=-._~")
