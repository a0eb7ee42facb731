"""Verifies requests with the public Standard Webhooks library for Python.

Reads a JSON array of {secret, id, timestamp, signature, body} from standard input and writes an array with "accepted"
or "refused: why" for each. Anything but the library's own refusal ends it with an error.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verdict(request):
    headers = {
        "webhook-id": request["id"],
        "webhook-timestamp": request["timestamp"],
        "webhook-signature": request["signature"],
    }
    try:
        Webhook(request["secret"]).verify(request["body"].encode(), headers, json_parse=False)
    except WebhookVerificationError as refusal:
        return f"refused: {refusal}"
    return "accepted"


requests = json.load(sys.stdin.buffer)
json.dump([verdict(request) for request in requests], sys.stdout)
