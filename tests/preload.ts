// Loaded into the script under test, so that a test neither sleeps nor leaves
// this machine: a second lasts 5 ms, and every name but *.invalid is 127.0.0.1.
import dns from "node:dns";

const { setTimeout, setInterval } = globalThis;
globalThis.setTimeout = ((callback: () => void, ms = 0) =>
  setTimeout(callback, ms / 200)) as typeof setTimeout;
globalThis.setInterval = ((callback: () => void, ms = 0) =>
  setInterval(callback, ms / 200)) as typeof setInterval;

const { lookup } = dns;
dns.lookup = ((name: string, ...rest: [dns.LookupAllOptions, () => void]) =>
  lookup(
    name.endsWith(".invalid") ? name : "127.0.0.1",
    ...rest,
  )) as typeof lookup;
