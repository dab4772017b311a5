// Loaded into the script under test, so that no test sleeps or leaves this
// machine: its timers run faster, and every name leads to 127.0.0.1 but those
// that end in ".invalid", which lead nowhere.
import dns from "node:dns";

const speed = Number(process.env["TEST_SPEED"] ?? 10);
const { setTimeout, setInterval } = globalThis;
const hurry = (timer: typeof setTimeout | typeof setInterval) =>
  ((callback: () => void, ms = 0, ...rest: []) =>
    timer(callback, ms / speed, ...rest)) as never;
globalThis.setTimeout = hurry(setTimeout);
globalThis.setInterval = hurry(setInterval);

const { lookup } = dns;
dns.lookup = ((
  name: string,
  options: dns.LookupAllOptions,
  callback: (error: Error | null, addresses: dns.LookupAddress[]) => void,
) => {
  if (!name.endsWith(".invalid")) return lookup("127.0.0.1", options, callback);
  const message = `getaddrinfo ENOTFOUND ${name}`;
  callback(Object.assign(new Error(message), { code: "ENOTFOUND" }), []);
}) as never;
