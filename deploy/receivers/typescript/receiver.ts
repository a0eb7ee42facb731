// A receiver of Angarium's webhooks: verifies, answers at once, drops duplicates.
//
//     node receiver.js SECRET_FILE...    what `angarium webhook create --secret-file` has written; several while a secret is replaced

import { readFileSync } from "node:fs";
import { type IncomingHttpHeaders, type IncomingMessage, createServer } from "node:http";
import { Webhook } from "standardwebhooks";

/** Groups that may wait or be worked on; a group has 1 MiB at most. More is answered 503, and comes again. */
const ROOM = Number(process.env.ROOM ?? "16");
/** Events that are remembered (G1). */
const REMEMBERED = 100_000;
/** No group is longer. */
const MAX_BODY = 2 * 1024 * 1024;

interface Group {
  accountId: number;
  events: { eventId: string; eventName: string }[];
}

/** What was taken before; of more than it remembers it forgets what came longest ago. */
class Seen {
  private readonly keys = new Set<string>();

  isNew(key: string): boolean {
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    if (this.keys.size > REMEMBERED) {
      for (const oldest of this.keys) {
        this.keys.delete(oldest);
        break;
      }
    }
    return true;
  }
}

const seen = new Seen();
let underWay = 0;

/** One piece of work after another, in order. */
let work: Promise<void> = Promise.resolve();

function enqueue(headers: IncomingHttpHeaders, body: Buffer): boolean {
  if (underWay >= ROOM) return false;
  underWay += 1;
  work = work
    .then(() => take(headers, body))
    .catch((error: unknown) => console.log(`unreadable ${String(error)}`))
    .finally(() => {
      underWay -= 1;
    });
  return true;
}

/** Yours goes here; it may take its time. */
async function take(headers: IncomingHttpHeaders, body: Buffer): Promise<void> {
  const group = JSON.parse(body.toString("utf8")) as Group;
  // What someone asked for again is wanted though it was taken: of it another attempt alone is a duplicate.
  const again = headers["angarium-again"] ? headers["webhook-id"] : undefined;
  for (const { eventName, eventId } of group.events) {
    const isNew = seen.isNew(JSON.stringify([group.accountId, eventName, eventId, again]));
    console.log(`${isNew ? "take" : "duplicate"} ${eventName} ${eventId}`);
  }
}

async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function isSigned(verifiers: Webhook[], headers: IncomingHttpHeaders, body: Buffer): boolean {
  let reason: unknown = "no secret";
  for (const verifier of verifiers) {
    try {
      verifier.verify(body, headers as Record<string, string>, { jsonParse: false });
      return true;
    } catch (error) {
      reason = error;
    }
  }
  console.log(`refused ${String(reason)}`);
  return false;
}

async function answer(verifiers: Webhook[], request: IncomingMessage): Promise<number> {
  if (request.method !== "POST") return 405;
  const body = await read(request);
  if (body === undefined) return 413;
  if (!isSigned(verifiers, request.headers, body)) return 401;
  // There is room or there is none; to wait would be no answer (G5).
  if (enqueue(request.headers, body)) return 204;
  console.log("full");
  return 503;
}

function main(paths: string[]): void {
  const files = paths.map((path) => JSON.parse(readFileSync(path, "utf8")) as { url: string; secret: string });
  const [first] = files;
  if (first === undefined) {
    console.error("say where the secret is: node receiver.js SECRET_FILE...");
    process.exit(1);
  }
  const verifiers = files.map((file) => new Webhook(file.secret));
  const server = createServer((request, response) => {
    answer(verifiers, request)
      .catch(() => 408) // It broke off: nobody reads this.
      .then((status) => response.writeHead(status).end());
  });
  server.requestTimeout = 5_000; // Angarium waits no longer for an answer (D1).
  const url = new URL(first.url);
  server.listen(Number(url.port || "80"), url.hostname, () => console.log(`listening ${url.href}`));
}

main(process.argv.slice(2));
