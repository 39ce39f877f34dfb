// Two node-postgres pools in one process; what is read goes to the one, what is written to the other.
const pg = require("../_node/pg");
const serve = require("../_node/shop");

const max = Number(process.env.POOL_MAX) / 2;
const address = new URL(process.env.DATABASE_URL);
const pools = { "orders-db": pg.open(address, max), "reports-db": pg.open(new URL("/reports", address), max) };
const of = { show: "reports-db", peek: "reports-db", export: "reports-db" };
const poolOf = (name) => of[name] ?? "orders-db";

const orders = {
  poolOf,
  state: () =>
    Object.values(pools)
      .map(pg.state)
      .reduce((a, b) => ({ used: a.used + b.used, idle: a.idle + b.idle, max: a.max + b.max })),
};
for (const name of ["show", "create", "pay", "export", "peek", "slow"]) {
  orders[name] = pg[name].bind(null, pools[poolOf(name)]);
}

/** The second database is a copy of the first. */
async function prepare() {
  const pool = pools["orders-db"];
  await pool.query("CREATE DATABASE reports");
  await pools["reports-db"].query("CREATE TABLE orders AS SELECT n AS id, 'paid' AS status, n AS total FROM generate_series(1, 200) AS n");
}
prepare().then(() => serve(orders));
