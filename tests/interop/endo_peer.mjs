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
const { Far, makeTagged } = await load('@endo/marshal');
const { makeTcpNetLayer } = await load('netlayers/tcp-test-only.js');
const { makeClient } = await load('client/index.js');
const { encodeSwissnum } = await load('client/util.js');

const [role, framing, designator, port, swissnum] = process.argv.slice(2);

const client = makeClient({ verbose: false });
const netlayer = await client.registerNetlayer((handlers, logger) =>
  makeTcpNetLayer({ handlers, logger, specifiedPort: 0, specifiedDesignator: `endo-${role}`, framing }),
);

const serve = () => {
  let kept;
  const makeCar = color => Far('car', { drive: () => `a ${color} car drives` });
  client.registerSturdyRef('echo', Far('echo', async (...args) => args));
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
