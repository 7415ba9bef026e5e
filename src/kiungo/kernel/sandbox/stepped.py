"""HTTP without a network: a transport that calls the twin in the same thread."""

import httpx

from kiungo.kernel.sandbox.twin import NoAnswer, Twin, TwinRequest


class SteppedTransport(httpx.BaseTransport):
    """For `httpx.Client(transport=...)`; a twin that hangs up looks like an answer that never came."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Hand one request to the twin. Raises: httpx.ReadTimeout when it hangs up."""
        body = request.read()
        target = request.url.raw_path.decode("ascii")
        try:
            answer = self._twin.handle(TwinRequest.of(request.method, target, dict(request.headers), body))
        except NoAnswer:
            raise httpx.ReadTimeout("no answer came", request=request) from None
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body, request=request)
