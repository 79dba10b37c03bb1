"""Where a request may go: a table of addresses, and a search for ways out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dandc.stdlib.http_address import Address, AddressError, follow, parse_base, resolve

BASE = parse_base("http://Host.example:8080/api/v1/")
OTHER = parse_base("https://other.example")

INSIDE = [
    ("", "http://host.example:8080/api/v1/"),
    ("/", "http://host.example:8080/api/v1/"),
    ("x", "http://host.example:8080/api/v1/x"),
    ("/x/../y", "http://host.example:8080/api/v1/y"),
    ("/x/./y/", "http://host.example:8080/api/v1/x/y/"),
    ("?a=b#frag", "http://host.example:8080/api/v1/?a=b"),
    ("/ä ö?q=ü&x=%20", "http://host.example:8080/api/v1/%C3%A4%20%C3%B6?q=%C3%BC&x=%20"),
    ("/50%", "http://host.example:8080/api/v1/50%25"),
    ("a//b", "http://host.example:8080/api/v1/a//b"),
    ("HTTP://HOST.EXAMPLE:8080/api/v1/x", "http://host.example:8080/api/v1/x"),
    ("http://host.example:8080/api/v1", "http://host.example:8080/api/v1"),
    ("https://other.example:443/deep?x", "https://other.example/deep?x"),
    ("/a:b", "http://host.example:8080/api/v1/a:b"),
]


@pytest.mark.parametrize(("url", "expected"), INSIDE)
def test_inside(url: str, expected: str) -> None:
    assert expected == resolve(BASE, url, [BASE, OTHER]).url


OUTSIDE = [
    "http://host.example/api/v1/x",
    "https://host.example:8080/api/v1/x",
    "http://host.example:8080/api/v2",
    "http://host.example:8080/api/v11",
    "http://host.example:8080/",
    "http://evil.example:8080/api/v1/",
    "http://host.example:8080@evil.example/api/v1/",
    "http://user@host.example:8080/api/v1/",
    "http://host.example.:8080/api/v1/",
    "//evil.example/x",
    "../v2",
    "/../../x",
    "/%2e%2e/v2",
    "/%2E./v2",
    "/x/..%2f..%2fv2",
    "/x/%2e%2e%5cv2",
    "/..;/v2",
    "/%252e%252e/x",
    "http:host",
    "http:///x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://[::1",
    "http://host.example:8080\\@evil.example/",
    "/x\r\nHost: evil",
    "/x\0",
    "/x\ty",
    "http://host.example:0x1f90/api/v1/",
    "http://host.example:80800/api/v1/",
    "/" + "x" * 9000,
    "http://①②⑦.0.0.1/",
    "https://other.example:444/",
    "http:\\\\evil.example",
    "data:,x",
]


@pytest.mark.parametrize("url", OUTSIDE)
def test_outside(url: str) -> None:
    with pytest.raises(AddressError):
        resolve(BASE, url, [BASE, OTHER])


REDIRECTS = [
    ("/api/v1/y", "http://host.example:8080/api/v1/y"),
    ("y?z", "http://host.example:8080/api/v1/y?z"),
    ("../v1/y", "http://host.example:8080/api/v1/y"),
    ("?z", "http://host.example:8080/api/v1/x?z"),
    ("//other.example/y", None),
    ("https://other.example/y", "https://other.example/y"),
    ("/api/v2", None),
    ("../../y", None),
]


@pytest.mark.parametrize(("location", "expected"), REDIRECTS)
def test_redirect(location: str, expected: str | None) -> None:
    """A redirect is read relative to where it came from; without a scheme it keeps that one's."""
    current = resolve(BASE, "x", [BASE])
    if expected is None:
        with pytest.raises(AddressError):
            follow(current, location, [BASE, OTHER])
    else:
        assert expected == follow(current, location, [BASE, OTHER]).url


PIECES = [
    "/",
    "..",
    ".",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    "api",
    "v1",
    "v2",
    "http:",
    "//",
    "@",
    "host.example",
    ":8080",
    "?",
    "#",
    ";",
    "%",
    "ü",
    " ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("http://host.example:8080/api/v1/../v2")
def test_no_way_out(url: str) -> None:
    """Whatever is accepted stays under the endpoint, is stable, and a second parser reads it alike."""
    from urllib.parse import unquote, urlsplit

    try:
        address = resolve(BASE, url, [BASE])
    except AddressError:
        return
    assert BASE.covers(address)
    assert address.url.isascii()
    seen = urlsplit(address.url)
    assert (seen.scheme, seen.hostname, seen.port) == ("http", "host.example", 8080)
    assert ".." not in unquote(seen.path).split("/")
    assert address == resolve(BASE, address.url, [BASE])


def test_ipv6_and_default_ports() -> None:
    """Addresses are compared as addresses, and a default port is no difference."""
    base = parse_base("http://[0:0::1]:80/")
    assert resolve(base, "http://[::1]/x", [base]).url == "http://[::1]/x"
    assert Address("http", "[::1]", 80, "/x") == resolve(base, "/x", [base])
