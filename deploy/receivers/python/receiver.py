"""A receiver of Angarium's webhooks: verifies, answers at once, drops duplicates.

    python3 receiver.py SECRET_FILE...    what `angarium webhook create --secret-file` has written; several while a secret is replaced
"""

import collections
import http.server
import json
import os
import queue
import sys
import threading
import urllib.parse

from standardwebhooks.webhooks import Webhook

# Groups that may wait or be worked on; a group has 1 MiB at most. More is answered 503, and comes again.
ROOM = int(os.environ.get("ROOM", "16"))
# Events that are remembered (G1).
REMEMBERED = 100_000
# No group is longer.
MAX_BODY = 2 * 1024 * 1024

room = threading.Semaphore(ROOM)
waiting = queue.SimpleQueue()


def tell(line):
    print(line, flush=True)


class Hook(http.server.BaseHTTPRequestHandler):
    timeout = 5  # Angarium waits no longer for an answer (D1).
    verifiers = []

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if not 0 <= length <= MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(length)
        if not self.is_signed(body):
            return self.answer(401)
        # There is room or there is none; to wait would be no answer (G5).
        if not room.acquire(blocking=False):
            tell("full")
            return self.answer(503)
        waiting.put((self.headers, body))
        self.answer(204)

    def is_signed(self, body):
        reason = "no secret"
        for verifier in self.verifiers:
            try:
                verifier.verify(body, dict(self.headers), json_parse=False)
                return True
            except Exception as error:  # The library raises others of what is no signature at all.
                reason = error
        tell(f"refused {reason}")
        return False

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Seen:
    """What was taken before; of more than it remembers it forgets what came longest ago."""

    def __init__(self):
        self.keys = collections.OrderedDict()

    def is_new(self, key):
        if key in self.keys:
            return False
        self.keys[key] = None
        if len(self.keys) > REMEMBERED:
            self.keys.popitem(last=False)
        return True


def work():
    seen = Seen()
    while True:
        headers, body = waiting.get()
        try:
            group = json.loads(body)
            # What someone asked for again is wanted though it was taken: of it another attempt alone is a duplicate.
            again = headers["webhook-id"] if headers.get("angarium-again") else None
            for event in group["events"]:
                name, id = event["eventName"], event["eventId"]
                is_new = seen.is_new((group["accountId"], name, id, again))
                tell(f"{'take' if is_new else 'duplicate'} {name} {id}")
        except (ValueError, KeyError, TypeError) as error:
            tell(f"unreadable {error!r}")
        finally:
            room.release()


def main():
    if len(sys.argv) < 2:
        sys.exit("say where the secret is: python3 receiver.py SECRET_FILE...")
    files = [json.load(open(path, encoding="utf-8")) for path in sys.argv[1:]]
    Hook.verifiers = [Webhook(file["secret"]) for file in files]
    url = urllib.parse.urlsplit(files[0]["url"])
    server = http.server.ThreadingHTTPServer((url.hostname, url.port or 80), Hook)
    threading.Thread(target=work, daemon=True).start()
    tell(f"listening {url.geturl()}")
    server.serve_forever()


main()
