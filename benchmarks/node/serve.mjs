// The serving end of capnweb. Usage: node --expose-gc serve.mjs PATH
import http from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { newWebSocketRpcSession, RpcTarget } from 'capnweb';

globalThis.WebSocket ??= WebSocket; // Node before 22 has none, and capnweb looks at its constants

let live = 0;

class Item extends RpcTarget {
  constructor() {
    super();
    live++;
  }
  [Symbol.dispose]() {
    live--;
  }
}

class Link extends RpcTarget {
  #depth;
  constructor(depth) {
    super();
    this.#depth = depth;
  }
  follow() {
    return new Link(this.#depth + 1);
  }
  depth() {
    return this.#depth;
  }
}

class Bench extends RpcTarget {
  add(a, b) {
    return a + b;
  }
  put(data) {
    return data.length;
  }
  link() {
    return new Link(0);
  }
  mint() {
    return new Item();
  }
  live() {
    return live;
  }
  collect() {
    globalThis.gc();
    globalThis.gc();
  }
}

const server = http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', socket => newWebSocketRpcSession(socket, new Bench()));
server.listen(process.argv[2], () => console.log('READY'));
process.stdin.on('end', () => process.exit(0)).resume();
