"""`dandc import` and `dandc run` of upstream sources: as upstream's users write them, bound to kernels, against a real service."""

import base64
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

LOGS = """function Access (Token) => (Request);
function FanOut(Response, Topic) => (Requests);
function Render(Pages) => (Html);
function HTTP(requests) => (headers, bodies);
composition Logs ( TokenIn, TopicIn ) => ( Page ) {
    Access(Token = each TokenIn) => (Asked = Request);
    HTTP(requests = each Asked) => (Grant = bodies);
    FanOut(Response = allGrant, Topic = optional all TopicIn) => (Wanted = Requests);
    HTTP(requests = each Wanted) => (Bodies = bodies);
    Render(Pages = all Bodies) => (Page = Html);
}
"""
FUNCTIONS = """
config place: str;
pub function Access(Token: bytes) => (Request: bytes)
    = f"GET {place}/grant?{Token.to_str().or("?")} HTTP/1.1\\n\\n".to_bytes();
pub function FanOut(Response: set[u32 => bytes], Topic: set[u32 => bytes]) => (Requests: set[u32 => bytes]) {
    for body in Response {
        for i, name in body.to_str().or("").split(",") {
            emit Requests[u32(i)] <- f"GET {place}/{name} HTTP/1.1\\r\\nX-Topics: {Topic.len()}\\r\\n\\r\\n".to_bytes();
        }
    }
}
pub function Render(Pages: set[u32 => bytes]) => (Html: set[u32 => bytes]) {
    var text = "";
    for key, page in Pages {
        text += f"{key}:{page.to_str().or("?")};";
    }
    emit Html[0] <- text.to_bytes();
}
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"a,b,c" if self.path == "/grant?tok" else f"{self.path} {self.headers.get('X-Topics')}".encode()
        self.send_response(200 if self.path != "/c" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def service() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


BOUND = [f"--bind={name}=logs.{name}" for name in ("Access", "FanOut", "Render")]


def given(text: str) -> str:
    return f'[{{"key": 7, "value": "{base64.b64encode(text.encode()).decode()}"}}]' if text else "[]"


def test_a_source_runs(dandc: Any, service: str) -> None:
    """The paper's example: every request as raw text, and an answer with any status is an answer."""
    dandc.write("render.dc", LOGS)
    dandc.write("logs.dnd", FUNCTIONS)
    inputs = ("-i", f"TokenIn={given('tok')}", "-i", "TopicIn=[]")
    configs = ("--config", f"http_url={service}", "--config", f"logs.place={service}")
    finished = dandc("run", "render.dc", *BOUND, *inputs, *configs, "--json").worked()
    assert "0:/a 0;1:/b 0;2:/c 0;" == base64.b64decode(finished.value("Page")).decode()
    empty = dandc("run", "render.dc", *BOUND, "-i", "TokenIn=[]", "-i", "TopicIn=[]", *configs, "--json").worked()
    assert [] == empty.json["outputs"]["Page"]
    assert {1} == {counts["skipped"] for counts in empty.json["nodes"].values()}


def test_a_translation_is_a_program_in_the_style(dandc: Any) -> None:
    dandc.write("render.dc", LOGS)
    text = dandc("import", "render.dc").worked().out.decode()
    dandc.write("render.dnd", text)
    dandc("check", "render.dnd").worked()
    dandc("fmt", "--check", "render.dnd").worked()
    assert "Page = Render(Pages: all Bodies) on empty (Pages) skip;" in text


def test_what_is_not_bound_says_so(dandc: Any) -> None:
    dandc.write("render.dc", LOGS)
    inputs = ("-i", f"TokenIn={given('tok')}", "-i", "TopicIn=[]", "--config", "http_url=http://127.0.0.1:9")
    finished = dandc("run", "render.dc", *inputs).failed("R0710")
    assert "nothing is bound to the function Access" in finished.err


@pytest.mark.parametrize(
    ("bind", "code", "status"),
    [
        ("Access", "U0905", 2),
        ("Acess=logs.Access", "I1009", 1),
        ("Access=logs", "I1009", 1),
        ("Access=logs.Nothing", "I1009", 1),
        ("Access=logs.FanOut", "I1009", 1),
        ("Access=nowhere.Access", "U0901", 1),
    ],
)
def test_bindings_that_do_not_fit(dandc: Any, bind: str, code: str, status: int) -> None:
    dandc.write("render.dc", LOGS)
    dandc.write("logs.dnd", FUNCTIONS)
    dandc("import", "render.dc", "--bind", bind).failed(code, status=status)


CALL = "composition Ask(In) => (Out) { HTTP(request = each In) => (Out = bodies); }\n"


def test_http_that_is_not_upstreams_own_is_pointed_out(dandc: Any) -> None:
    dandc.write("ask.dc", CALL)
    told = dandc("import", "ask.dc").failed("I1003").err
    assert "function HTTP(requests) => (headers, bodies);" in told
    dandc.write("ask.dc", "function HTTP(request) => (headers, bodies);\n" + CALL)
    warned = dandc("import", "ask.dc")
    assert warned.status == 0
    assert "warning[I1011]" in warned.err


def test_a_binding_to_the_module_upstream_brings_its_endpoint(dandc: Any, service: str) -> None:
    dandc.write("ask.dc", "function HTTP(request) => (headers, bodies);\n" + CALL)
    bind = "--bind=HTTP=upstream.exchange"
    assert "config http_url: str;" in dandc("import", "ask.dc", bind).worked().out.decode()
    request = given(f"GET {service}/x HTTP/1.1\n\n")
    told = dandc("run", "ask.dc", bind, "-i", f"In={request}", "--config", f"http_url={service}", "--json").worked()
    (answer,) = told.json["outputs"]["Out"]
    assert base64.b64decode(answer["value"]) == b"/x None"


def test_mistakes_have_a_place(dandc: Any) -> None:
    dandc.write("wrong.dc", "function F(a) => (b);\ncomposition X(s) => (t) {\n    F(a = all u) => (t = b);\n}\n")
    assert "wrong.dc:3:15" in dandc("run", "wrong.dc").failed("I1005").err
    dandc.write("p.dnd", "composition main(a: i64) => (a: i64) { }")
    dandc("run", "p.dnd", "-i", "a=1", "--bind", "F=m.f").failed("I1009")
