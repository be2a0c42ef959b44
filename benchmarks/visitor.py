"""A visitor without a browser: one session over Streamlit's own WebSocket protocol.

Sees what a browser gets on the wire and spends nothing on drawing it.
"""

import time
from types import TracebackType

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect


class Visitor:
    """Opens the page at `url` (http://host:port) and clicks Predict; a context manager."""

    def __init__(self, url: str) -> None:
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket = connect(address, subprotocols=["streamlit"], max_size=None)  # type: ignore[list-item]
        self._ids: dict[str, str] = {}
        self._query = ""
        self.run(BackMsg())

    def predict(self, text: str) -> tuple[float, float]:
        """Milliseconds from the click to the prediction card, and to the end of the run."""
        message = BackMsg()
        area = message.rerun_script.widget_states.widgets.add()
        area.id, area.string_value = self._ids["text_area"], text
        button = message.rerun_script.widget_states.widgets.add()
        button.id, button.trigger_value = self._ids["button"], True
        return self.run(message)

    def rerun(self) -> float:
        """Milliseconds of a run that predicts nothing."""
        return self.run(BackMsg())[1]

    def run(self, message: BackMsg) -> tuple[float, float]:
        """Milliseconds from sending `message` to a prediction card, if any, and to the end."""
        message.rerun_script.query_string = self._query
        started_s = time.perf_counter()
        self._socket.send(message.SerializeToString())
        card_ms = float("nan")
        while True:
            received = ForwardMsg.FromString(self._socket.recv(timeout=120))
            kind = received.WhichOneof("type")
            if kind == "delta":
                card_ms = self._note(received, card_ms, started_s)
            elif kind == "page_info_changed":
                self._query = received.page_info_changed.query_string
            elif kind == "script_finished":
                return card_ms, (time.perf_counter() - started_s) * 1000

    def _note(self, received: ForwardMsg, card_ms: float, started_s: float) -> float:
        element = received.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise RuntimeError(element.exception.message)
        if kind == "text_area":
            self._ids.setdefault("text_area", element.text_area.id)
        elif kind == "button" and element.button.label == "Predict":
            self._ids["button"] = element.button.id
        elif kind == "html" and 'class="card"' in element.html.body:
            return (time.perf_counter() - started_s) * 1000
        return card_ms

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()
