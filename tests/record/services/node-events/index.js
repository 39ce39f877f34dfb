// One node-postgres pool, with the emitter of docs/emitters/node on it.
const pg = require("../_node/pg");
const serve = require("../_node/shop");
const watch = require(process.argv[2]);

const pool = watch(pg.open(process.env.DATABASE_URL, Number(process.env.POOL_MAX)));
const orders = { state: () => pg.state(pool) };
for (const name of ["show", "create", "pay", "export", "peek", "slow"]) orders[name] = pg[name].bind(null, pool);
serve(orders);
