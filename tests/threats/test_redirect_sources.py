"""Row R6 of the threat list: one function judges every redirect, whatever header or page it is made in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

import iqauth_django
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.session import negotiate
from iqauth_django.session.request_session import attach
from tests.browser import DOCUMENT, FETCH, SIGN_IN, Visitor
from tests.whatwg import Whatwg

from .redirect_targets import ATTACKS, PATHS_THAT_ARE_PROTOCOL_RELATIVE
from .sign_ins import answer_url, case, code_for, open_callback, read_begun

HERE = "http://testserver"
BAD = [
    value
    for value in (*ATTACKS, *PATHS_THAT_ARE_PROTOCOL_RELATIVE)
    if value.isascii() and value.isprintable() and not value.startswith(f"{HERE}/")
]


def way_back(url: str) -> str | None:
    """What a sign-in that is offered at ``url`` will return to."""
    assert urlsplit(url)[:3] == ("", "", SIGN_IN), url
    values = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert values.keys() <= {"return_to"}
    return values["return_to"][0] if values else None


def test_R06_hx_redirect(visitor: Visitor) -> None:
    def ask(current: str) -> str:
        response = visitor.fetch("/page", **{"HX-Request": "true", "HX-Current-URL": current})
        assert (response.status_code, "Location" in response) == (204, False)
        return response["HX-Redirect"]

    for value in BAD:
        with case(value):
            assert way_back(ask(value)) is None
    assert way_back(ask(f"{HERE}/page?tab=2")) == f"{HERE}/page?tab=2"


def test_R06_referer_of_a_form(site: object) -> None:
    def ask(referer: str) -> str:
        page = _refused("/page", DOCUMENT | {"Referer": referer}, method="POST")
        assert page.status_code == 401
        return re.findall(r'<a class="iqauth-button" href="([^"]*)"', page.content.decode())[0]

    for value in BAD:
        with case(value):
            assert way_back(ask(value)) is None
    assert way_back(ask(f"{HERE}/page?tab=2")) == f"{HERE}/page?tab=2"


def test_R06_login_url(visitor: Visitor) -> None:
    """Django's own decorators send to LOGIN_URL with ``next``."""
    for value in BAD:
        with case(value):
            begun = read_begun(
                visitor.begin("?next=" + value.replace("%", "%25").replace("#", "%23").replace("&", "%26"))
            )
            opened = open_callback(visitor, answer_url(visitor, begun, code_for(visitor.issuer, begun)))
            assert opened.response["Location"] == "/"
            visitor.jar.clear()


def _refused(path: str, headers: dict[str, str], error: str = "not_signed_in", method: str = "GET") -> HttpResponse:
    request = RequestFactory().generic(method, "/", headers=headers)
    request.path = request.path_info = path  # as a server passes it on; the test client would normalise it
    attach(request)
    return negotiate.refuse(request, IQAuthError(error))


@pytest.mark.parametrize(
    "path", ["//evil.example/page", "///evil.example", "//evil.example", "/\\evil.example", "/.//evil.example"]
)
def test_R06_address_of_the_request_itself(site: object, whatwg: Whatwg, path: str) -> None:
    """A site with a catch-all route serves ``//evil.example/page`` too."""
    asked = [
        _refused(path, DOCUMENT)["Location"],
        _refused(path, {"HX-Request": "true"})["HX-Redirect"],
    ]
    problem = _refused(path, FETCH)
    assert problem["Content-Type"] == "application/problem+json"
    for url in asked:
        back = way_back(url)
        assert back is None or whatwg.origin(back, HERE) == HERE
    page = _refused(path, DOCUMENT, "network")
    assert page.status_code == 503
    for link in re.findall(r'<a [^>]*href="([^"]*)"', page.content.decode()):
        assert whatwg.origin(link, HERE + path) == HERE, link


# By the source: nothing else makes a redirect out of anything.

PACKAGE = Path(iqauth_django.__file__).parent
NOT_SERVED = {"issuer", "testing"}
MAKERS = {
    "HttpResponseRedirect",
    "HttpResponsePermanentRedirect",
    "HttpResponseRedirectBase",
    "RedirectView",
    "redirect",
    "redirect_to_login",
}
READERS = {"get", "path", "count"}
HEADERS = {"location", "refresh", "hx-redirect", "hx-location", "hx-push-url", "hx-replace-url"}
JUDGED = re.compile(
    r"targets\.(after_sign_in|after_sign_out|sign_in_url|same_page)\(request\)|targets\.own_path(\(.*\))?"
    r"|flow\.begin\(.*\)|signed_in\.return_to|'/'|None",
    re.DOTALL,
)


def unjudged(source: str) -> list[str]:
    """Every redirect in a module that is made of something that ``session.targets`` did not make."""
    tree = ast.parse(source)
    found: list[str] = []
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)] + [
        tree
    ]:
        for what, value in _redirects(function):
            found += [f"{what}: {made}" for made in _made_of(value, function) if not JUDGED.fullmatch(made)]
    return found


def _redirects(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in _own_nodes(scope):
        if isinstance(node, ast.Call) and _name(node.func) in MAKERS:
            yield _name(node.func), node.args[0] if node.args else node
        for keyword in getattr(node, "keywords", []):
            if keyword.arg in ("action", "action_url", "sign_in_url", "redirect_to"):
                yield keyword.arg, keyword.value
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Subscript)
            and _is_header(node.targets[0].slice)
        ):
            yield ast.unparse(node.targets[0]), node.value
        if isinstance(node, ast.Dict):
            yield from (
                (ast.unparse(key), value) for key, value in zip(node.keys, node.values, strict=True) if _is_header(key)
            )
        if isinstance(node, ast.Call) and node.args and _is_header(node.args[0]) and _name(node.func) not in READERS:
            yield ast.unparse(node), node.args[-1]


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function but those of functions within it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def _is_header(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in HEADERS


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _made_of(value: ast.expr, scope: ast.AST) -> set[str]:
    """The expressions that a value comes from, through the names of its function."""
    if isinstance(value, ast.Tuple) and value.elts:
        return _made_of(value.elts[0], scope)
    if isinstance(value, ast.IfExp):
        return _made_of(value.body, scope) | _made_of(value.orelse, scope)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not value.args:
        return _made_of(value.func, scope)
    if isinstance(value, ast.Call) and _name(value.func) == "partial":
        return {ast.unparse(value.args[0])}
    if isinstance(value, ast.Name):
        given = [
            node.value
            for node in _own_nodes(scope)
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == value.id for t in node.targets)
        ]
        return set().union(*(_made_of(one, scope) for one in given)) if given else {value.id}
    return {ast.unparse(value)}


def test_R06_no_redirect_is_made_of_anything_unjudged() -> None:
    served = [path for path in PACKAGE.rglob("*.py") if not NOT_SERVED & set(path.relative_to(PACKAGE).parts)]
    counted = sum(len(list(_redirects(scope))) for path in served for scope in ast.walk(ast.parse(path.read_text())))
    assert counted > 5, "the search finds nothing any more"
    found = {str(path.relative_to(PACKAGE)): unjudged(path.read_text()) for path in served}
    found.pop("session/pages.py")  # is given what it shows; whoever gives it is searched
    assert {path: redirects for path, redirects in found.items() if redirects} == {}


def test_R06_way_back_of_a_sign_in_is_judged_when_it_begins() -> None:
    view = ast.parse((PACKAGE / "views/session.py").read_text())
    [begin] = [node for node in ast.walk(view) if isinstance(node, ast.Call) and ast.unparse(node.func) == "flow.begin"]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in begin.keywords}
    assert given["return_to"] == "targets.after_sign_in(request)"
    completed = ast.parse((PACKAGE / "session/sign_in.py").read_text())
    ends = [
        node.args[2] for node in ast.walk(completed) if isinstance(node, ast.Call) and _name(node.func) == "SignedIn"
    ]
    assert {ast.unparse(end) for end in ends} == {"flow.way_back(default)", "return_to", "done[1]"}
    assert "return_to = flow.way_back(default)" in ast.unparse(completed)
    assert "flow.complete(session, client, pairs_of(request), targets.default_after_sign_in())" in ast.unparse(view)


@pytest.mark.parametrize(
    "line",
    [
        "return HttpResponseRedirect(request.GET['next'])",
        "return http.HttpResponseRedirect(target)",
        "return redirect(request.headers['Referer'])",
        "return pages.harden(HttpResponsePermanentRedirect(request.path))",
        "response['HX-Redirect'] = request.headers['HX-Current-URL']",
        "response.headers['LOCATION'] = somewhere",
        "return HttpResponse(status=302, headers={'Location': request.GET['next']})",
        "response.setdefault('Refresh', '0; url=' + request.GET['next'])",
        "target = request.GET['next']; return HttpResponseRedirect(target)",
        "target = targets.after_sign_in(request)\n if x: target = request.path\n return HttpResponseRedirect(target)",
        "return HttpResponseRedirect(targets.after_sign_in(request) + request.GET['next'])",
        "return pages.page(request, error, action=(request.path, 'Try again'))",
        "return HttpResponseRedirect('/' if x else request.GET['next'])",
    ],
)
def test_R06_the_search_finds_what_it_looks_for(line: str) -> None:
    assert unjudged(f"def view(request):\n {line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "return HttpResponseRedirect(targets.after_sign_out(request), status=303)",
        "target = targets.sign_in_url(request)\n response['HX-Redirect'] = target",
        "return request.headers.get('Location', '')",
    ],
)
def test_R06_the_search_lets_the_judged_pass(line: str) -> None:
    assert not unjudged(f"def view(request):\n {line}\n")
