// The calling end of capnweb: what benchmarks/play.py does, in the same words. Usage: node --expose-gc play.mjs
import readline from 'node:readline';
import WebSocket from 'ws';
import { newWebSocketRpcSession } from 'capnweb';

globalThis.WebSocket ??= WebSocket; // Node before 22 has none, and capnweb looks at its constants

const WINDOW = 100;
const BULK_WINDOW = 8;
const PATIENCE = 60;
const now = () => performance.now() / 1000;
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
const side_by_side = (count, work) => Promise.all(Array.from({ length: count }, work));

const connect = path =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws+unix:${path}:/`, { perMessageDeflate: false });
    socket.on('error', reject);
    socket.on('open', () => {
      const api = newWebSocketRpcSession(socket);
      resolve({
        api,
        close() {
          api[Symbol.dispose]();
          socket.terminate();
        },
      });
    });
  });

async function chain(session, calls, times) {
  const took = [];
  for (let round = 0; round < times; round++) {
    const start = now();
    let link = session.api.link();
    for (let step = 0; step < calls - 2; step++) link = link.follow();
    await link.depth();
    took.push(now() - start);
  }
  took.sort((a, b) => a - b);
  return { calls: times, seconds: took[took.length >> 1] };
}

let address, far_address, session, far;
let held = [];

const player = {
  async open(request) {
    [address, far_address] = [request.address, request.far];
    session = await connect(address);
    // Node compiles while it runs: it takes ten times as long until calls are as fast as they get.
    await player.outstanding({ seconds: request.warm_up * 10 });
    await player.sequential({ seconds: request.warm_up });
    return {};
  },
  async outstanding({ seconds }) {
    const start = now();
    let calls = 0;
    await side_by_side(WINDOW, async () => {
      while (now() - start < seconds) {
        await session.api.add(20, 22);
        calls++;
      }
    });
    return { calls, seconds: now() - start };
  },
  async sequential({ seconds }) {
    const took = [];
    const start = now();
    for (let before = start; before - start < seconds; ) {
      await session.api.add(20, 22);
      const after = now();
      took.push(after - before);
      before = after;
    }
    const elapsed = now() - start;
    if (!took.length) return { calls: 0, seconds: elapsed };
    took.sort((a, b) => a - b);
    const at = part => took[Math.floor(took.length * part)];
    return { calls: took.length, seconds: elapsed, p50: at(0.5), p99: at(0.99) };
  },
  async chain({ calls, times }) {
    return chain(session, calls, times);
  },
  async far_chain({ calls, times }) {
    far ??= await connect(far_address);
    await far.api.add(20, 22);
    return chain(far, calls, times);
  },
  async bulk({ strings, octets }) {
    const string = new Uint8Array(octets).map((_, index) => index & 255);
    await session.api.put(string);
    let left = strings;
    const start = now();
    await side_by_side(BULK_WINDOW, async () => {
      while (left > 0) {
        left--;
        await session.api.put(string);
      }
    });
    return { calls: strings, seconds: now() - start };
  },
  async connect({ seconds }) {
    const start = now();
    let calls = 0;
    for (; now() - start < seconds; calls++) {
      const once = await connect(address);
      await once.api.add(20, 22);
      once.close();
    }
    return { calls, seconds: now() - start };
  },
  async live() {
    globalThis.gc();
    await session.api.collect();
    return { live: await session.api.live() };
  },
  async hold({ count }) {
    const start = now();
    await side_by_side(WINDOW, async () => {
      for (let each = 0; each < count / WINDOW; each++) held.push(await session.api.mint());
    });
    const seconds = now() - start;
    globalThis.gc();
    await session.api.collect();
    return { calls: held.length, seconds, live: await session.api.live() };
  },
  async drop({ base }) {
    const start = now();
    for (const item of held) item[Symbol.dispose]();
    held = [];
    for (;;) {
      const left = (await session.api.live()) - base;
      if (left <= 0 || now() - start > PATIENCE) return { seconds: now() - start, left };
      await pause(2);
    }
  },
};

console.log('READY');
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = await player[request.do](request).catch(error => ({ failed: `${error}` }));
  console.log(JSON.stringify(answer));
}
process.exit(0);
