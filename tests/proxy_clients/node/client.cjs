// Drives the server at TOXIPROXY_URL by toxiproxy-node-client; prints what it has checked.
"use strict";
const assert = require("node:assert");
const net = require("node:net");
const { Toxiproxy } = require("toxiproxy-node-client");

const UPSTREAM = process.env.UPSTREAM;

function exchange(listen, data) {
  const [host, port] = listen.split(":");
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), host, () => socket.write(data));
    socket.once("data", (got) => { resolve(got.toString()); socket.destroy(); });
    socket.once("end", () => reject(new Error("ended")));
    socket.once("error", reject);
  });
}

const checks = {
  async version(toxiproxy) {
    assert.match(JSON.parse(await toxiproxy.getVersion()).version, /^2\./);
  },
  async "a proxy is created, got and listed"(toxiproxy) {
    const proxy = await toxiproxy.createProxy({ name: "n", listen: "127.0.0.1:0", upstream: UPSTREAM });
    assert.strictEqual(await exchange(proxy.listen, "hello"), "hello");
    assert.strictEqual((await toxiproxy.get("n")).listen, proxy.listen);
    assert.deepStrictEqual(Object.keys(await toxiproxy.getAll()), ["n"]);
  },
  async "a second one of its name is refused"(toxiproxy) {
    await assert.rejects(
      toxiproxy.createProxy({ name: "n", listen: "127.0.0.1:0", upstream: UPSTREAM }), /409/);
    await assert.rejects(toxiproxy.get("none"), /404/);
  },
  async "every toxic is added, got, changed and removed"(toxiproxy) {
    const proxy = await toxiproxy.get("n");
    const all = {
      latency: { latency: 5, jitter: 1 }, bandwidth: { rate: 1000 }, slow_close: { delay: 1 },
      timeout: { timeout: 60000 }, reset_peer: { timeout: 60000 }, limit_data: { bytes: 100000 },
      slicer: { average_size: 10, size_variation: 2, delay: 1 },
    };
    for (const [type, attributes] of Object.entries(all)) {
      const made = await proxy.addToxic({ type, attributes, toxicity: 0.5, stream: "upstream", name: "t" });
      assert.deepStrictEqual(made.toJson(),
        { attributes, name: "t", stream: "upstream", toxicity: 0.5, type });
      const got = await proxy.getToxic("t");
      assert.deepStrictEqual(got.attributes, attributes);
      const first = Object.keys(attributes)[0];
      const changed = await got.update({ attributes: { ...attributes, [first]: 7 } });
      assert.strictEqual(changed.attributes[first], 7);
      await changed.remove();
      await assert.rejects(proxy.getToxic("t"), /404/);
    }
  },
  async "a toxic acts"(toxiproxy) {
    const proxy = await toxiproxy.get("n");
    const toxic = await proxy.addToxic({ type: "reset_peer", attributes: { timeout: 0 } });
    await assert.rejects(exchange(proxy.listen, "x"), { code: "ECONNRESET" });
    await toxic.remove();
    assert.strictEqual(await exchange(proxy.listen, "x"), "x");
  },
  async "a proxy is disabled, and reset enables it"(toxiproxy) {
    const proxy = await toxiproxy.get("n");
    await proxy.addToxic({ type: "timeout", attributes: { timeout: 0 } });
    const off = await proxy.update({ enabled: false, listen: proxy.listen, upstream: UPSTREAM });
    assert.strictEqual(off.enabled, false);
    await assert.rejects(exchange(proxy.listen, "x"), { code: "ECONNREFUSED" });
    await toxiproxy.reset();
    assert.strictEqual(await exchange(proxy.listen, "back"), "back");
  },
  async "populate gives what it made"(toxiproxy) {
    const made = await toxiproxy.populate([
      { name: "p1", listen: "127.0.0.1:0", upstream: UPSTREAM },
      { name: "p2", listen: "127.0.0.1:0", upstream: UPSTREAM },
    ]);
    assert.deepStrictEqual(Object.keys(made), ["p1", "p2"]);
    assert.strictEqual(await exchange(made.p2.listen, "two"), "two");
  },
  async "a proxy is removed"(toxiproxy) {
    for (const proxy of Object.values(await toxiproxy.getAll())) await proxy.remove();
    assert.deepStrictEqual(await toxiproxy.getAll(), {});
  },
};

(async () => {
  const toxiproxy = new Toxiproxy(process.env.TOXIPROXY_URL);
  const done = [];
  for (const [name, check] of Object.entries(checks)) {
    await check(toxiproxy);
    done.push(name);
  }
  console.log(JSON.stringify(done));
})().catch((error) => { console.error(error); process.exit(1); });
