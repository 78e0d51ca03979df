"""The issuer: a function from a request to a response, over a store. A socket, or a test, calls ``handle``."""

from __future__ import annotations

import threading
from collections.abc import Callable

from iqauth_django.protocol.errors import IQAuthError

from .backchannel import BackChannel
from .context import Context
from .faults import Fault, Faults
from .http import Delivery, Request, Response, json_response
from .oauth_errors import envelope_error, oauth_error
from .request_log import RequestLog, logger
from .routes import ROUTES, Kind
from .site_pages import problem


class Issuer:
    """One issuer with what surrounds it: the faults it was told to have, and the log of what it was asked."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.faults = Faults()
        self.log = RequestLog()
        self.control: Callable[[Request], Response] | None = None
        """Answers ``/_dev/``, where that is open."""
        self.closing = threading.Event()
        """Set when the issuer stops: whoever waits on a delay or a hang stops waiting."""
        context.announce = BackChannel(context, self.log, self.closing).announce

    def handle(self, request: Request) -> Response:
        """Answer one request. Raises nothing; a response whose delivery says ``drop`` must not be sent."""
        controls = request.path.startswith("/_dev/")  # which has no faults: it is the way to end them
        fault = None if controls else self.faults.take(request.method, request.path)
        response = self._with_fault(request, fault) if fault else self._answer(request)
        self.log.add(request.method, request.path, response.status, response.reason)
        return response

    def _with_fault(self, request: Request, fault: Fault) -> Response:
        self.closing.wait(fault.delay)
        if fault.delay and request.gone():
            reason = "The client had gone before the work was begun."
            return Response(0, reason=reason, delivery=Delivery(drop=True))
        response = fault.replacement()
        return fault.delivered(self._answer(request) if response is None else response)

    def _answer(self, request: Request) -> Response:
        try:
            return self._routed(request)
        except Exception:
            # A defect of ours: the traceback goes to the log of the terminal, and the caller gets no part of it.
            logger.exception("%s %s failed inside the issuer", request.method, request.path)
            return json_response(
                {"error": "server_error"}, 500, reason="The issuer failed; the traceback is in its log."
            )

    def _routed(self, request: Request) -> Response:
        if self.control is not None and request.path.startswith("/_dev/"):
            return self.control(request)
        methods = ROUTES.get(request.path)
        if methods is None:
            return _not_here(request)
        route = methods.get(request.method)
        if route is None:
            allowed = ", ".join(methods)
            refusal = json_response({"error": "method_not_allowed"}, 405, reason=f"Allowed are {allowed}.")
            return refusal.with_headers(("Allow", allowed))
        try:
            return route.handler(self.context, request)
        except IQAuthError as error:
            return _refusal(error, route.kind)


def _refusal(error: IQAuthError, kind: Kind) -> Response:
    if kind == "api":
        return envelope_error(error)
    return oauth_error(error) if kind == "oauth" else problem(error)


def _not_here(request: Request) -> Response:
    message = (
        "This issuer has no such route. The development issuer answers the routes listed in its documentation only."
    )
    return json_response({"error": "not_implemented_here", "error_description": message}, 501, reason=message)
