// Verifies requests with the public Standard Webhooks library for JavaScript.
//
// Reads a JSON array of {secret, id, timestamp, signature, body} from standard input and writes an array with "accepted"
// or "refused: why" for each. Anything but the library's own refusal ends it with an error.

const { readFileSync } = require("node:fs");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

function verdict(request) {
  const headers = {
    "webhook-id": request.id,
    "webhook-timestamp": request.timestamp,
    "webhook-signature": request.signature,
  };
  try {
    new Webhook(request.secret).verify(Buffer.from(request.body), headers, { jsonParse: false });
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return `refused: ${error.message}`;
  }
  return "accepted";
}

const requests = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(requests.map(verdict)));
