// A peer of Endo for test_endo.py: serves objects, and dials one of ours.
//
// node --expose-gc endo_peer.mjs serve FRAMING
// node --expose-gc endo_peer.mjs dial FRAMING DESIGNATOR PORT SWISSNUM
//
// ENDO_OCAPN names the folder packages/ocapn of a checkout that is ready to run.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const home = process.env.ENDO_OCAPN;
const require = createRequire(`${home}/package.json`);
const load = name => import(pathToFileURL(name.startsWith('@') ? require.resolve(name) : `${home}/src/${name}`));

await load('@endo/init');
const { E } = await load('@endo/eventual-send');
const { Far, getTag, makeTagged } = await load('@endo/marshal');
const { makeTcpNetLayer } = await load('netlayers/tcp-test-only.js');
const { makeClient } = await load('client/index.js');
const { encodeSwissnum } = await load('client/util.js');
const { ocapnPassStyleOf } = await load('codecs/ocapn-pass-style.js');

const [role, framing, designator, port, swissnum] = process.argv.slice(2);

const client = makeClient({ verbose: false });
const netlayer = await client.registerNetlayer((handlers, logger) =>
  makeTcpNetLayer({ handlers, logger, specifiedPort: 0, specifiedDesignator: `endo-${role}`, framing }),
);

// What a value is to Endo, in words.
const tell = value => {
  const style = ocapnPassStyleOf(value);
  switch (style) {
    case 'bigint':
      return `bigint ${value}`;
    case 'number':
      return `number ${Object.is(value, -0) ? '-0' : value}`;
    case 'string':
      return JSON.stringify(value);
    case 'symbol':
      return String(value);
    case 'byteArray':
      return `bytes ${[...new Uint8Array(value.slice())]}`;
    case 'copyArray':
      return `[${value.map(tell)}]`;
    case 'copyRecord':
      return `{${Object.keys(value).map(key => `${key}: ${tell(value[key])}`)}}`;
    case 'tagged':
      return `${getTag(value)}(${tell(value.payload)})`;
    case 'error':
      return `error ${value.message}`;
    case 'boolean':
      return String(value);
    default:
      return style;
  }
};

// Weak references, so that it can be seen what is collected.
const makeWatch = makeCar => {
  const watched = [];
  const isGone = async () => {
    while (watched.some(car => car.deref() !== undefined)) {
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    return true;
  };
  return Far('watch', {
    make: () => {
      const car = makeCar('grey');
      watched.push(new WeakRef(car));
      return car;
    },
    isGone,
    // From now on garbage is collected all the time: only what is reachable stays in any table.
    collect: () => {
      setInterval(globalThis.gc, 20);
    },
  });
};

const serve = () => {
  let kept;
  const makeCar = color => Far('car', { drive: () => `a ${color} car drives` });
  client.registerSturdyRef('echo', Far('echo', async (...args) => args));
  client.registerSturdyRef('tell', Far('tell', (...args) => harden(args.map(tell))));
  client.registerSturdyRef('watch', makeWatch(makeCar));
  client.registerSturdyRef(
    'values',
    Far('values', () =>
      harden([
        ...[undefined, null, true, false, 0n, -5n, 2n ** 70n, 1, -1.5, NaN, Infinity, -Infinity, -0],
        ...['', 'björn', Symbol.for('sym'), [], [1n, [2n]], {}, { b: 1n, aa: { z: true } }],
        ...[makeTagged('decimal', '3.14'), Error('boom')],
      ]),
    ),
  );
  client.registerSturdyRef(
    'garage',
    Far('garage', {
      makeCar,
      stock: () => harden({ cars: [makeCar('white')], price: makeTagged('euro', [5n]) }),
      fail: () => {
        throw Error('boom');
      },
      later: () => new Promise(resolve => setTimeout(() => resolve('late'), 10)),
      callBack: async listener => [await E(listener)(1n), await E(listener)(2n)],
      drive: async car => E(car).drive(),
      keep: car => {
        kept = car;
      },
      give: () => kept,
    }),
  );
  console.log(`READY ${netlayer.location.hints.port}`);
};

const dial = async () => {
  const location = {
    type: 'ocapn-peer',
    transport: 'tcp-testing-only',
    designator,
    hints: { host: '127.0.0.1', port },
  };
  const garage = client.enlivenSturdyRef(client.makeSturdyRef(location, encodeSwissnum(swissnum)));
  const refusal = await E(garage).refuse().catch(error => error.message);
  const promise = new Promise(resolve => setTimeout(() => resolve('late'), 10));
  const heard = {
    sum: String(await E(garage).add(1n, 2n)),
    noise: await E(E(garage).makeCar('blue')).drive(),
    calledBack: String(await E(garage).callBack(Far('listener', n => n * 10n))),
    refusal,
    waited: await E(garage).wait(promise),
    part: await E(E.get(E.get(E(garage).stock()).cars)[0]).drive(),
    noPart: await E.get(E(garage).stock()).boats.catch(error => error.message),
  };
  console.log(`HEARD ${JSON.stringify(heard)}`);
  process.exit(0);
};

await (role === 'serve' ? serve() : dial());
