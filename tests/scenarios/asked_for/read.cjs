// Reads requests with the public CloudEvents SDK for JavaScript, as a receiver would.
//
// Reads a JSON array of {headers, body} from standard input and writes, for each, the array of the events in it. A request
// or an event that the SDK does not take ends it with an error.

const { readFileSync } = require("node:fs");
const { HTTP } = require("cloudevents");

function events(request) {
  const read = HTTP.toEvent(request);
  const all = Array.isArray(read) ? read : [read];
  return all.map((event) => {
    event.validate();
    return event.toJSON();
  });
}

const requests = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(requests.map(events)));
