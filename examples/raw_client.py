"""Every update exactly once, through kill -9, without the client library (docs/reference/protocol.md, "Resuming").

    python examples/raw_client.py ws://127.0.0.1:8000/v1/models/watch/stream < recording.csv

Reads CSV with a header, a sample on each line; prints `index,y…` for every update.
"""

import json
import sys
import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect


def main(url: str) -> None:
    next(sys.stdin)  # the header
    buffered: dict[int, list[float]] = {}  # samples that the server may still ask for
    taken, seen, query = 0, -1, ""  # lines read, index of the latest update, the stream's name
    while True:
        try:
            with connect(url + query, proxy=None) as socket:
                ready = json.loads(socket.recv())
                query, t, wake = f"?stream_id={ready['stream_id']}", ready["next"], ready["wake"]
                if t not in buffered and t != taken:
                    sys.exit(f"the server goes on at sample {t}, which is not buffered any more")
                seen = show(ready["updates"], seen)
                while t in buffered or (line := sys.stdin.readline()):
                    if t not in buffered:
                        buffered[t], taken = [float(number) for number in line.split(",")], t + 1
                    if t >= wake:  # the network updates on it
                        reply = ask(socket, {"t": t, "x": buffered[t]})
                        wake, seen = reply["wake"], show(reply["updates"], seen)
                        if ready["limits"]["durable"]:
                            buffered = {index: x for index, x in buffered.items() if index >= reply["saved"]}
                    t += 1
                socket.send('{"type": "end"}')
                return
        except (ConnectionClosed, InvalidHandshake, OSError) as error:
            print(f"connecting again: {error}", file=sys.stderr)
            time.sleep(0.5)


def ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """Send samples; return the reply. Other messages of the server (saved, go_away) are ignored."""
    socket.send(json.dumps(message))
    reply: dict[str, Any] = {}
    while "updates" not in reply:
        reply = json.loads(socket.recv())
        if reply.get("type") == "error" and not reply["fatal"]:
            sys.exit(reply["message"])
    return reply


def show(updates: list[dict[str, Any]], seen: int) -> int:
    """Print those after `seen`; return the latest."""
    for update in updates:
        if update["t"] > seen:
            print(update["t"], *update["y"], sep=",", flush=True)
            seen = update["t"]
    return seen


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/raw_client.py ws://HOST:PORT/v1/models/MODEL/stream < recording.csv")
    try:
        main(sys.argv[1])
    except StopIteration:
        sys.exit("error: expected CSV with a header on standard input, got nothing")
