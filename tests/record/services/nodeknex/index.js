// knex on node-postgres: knex has a pool of its own (tarn), so pg-pool is not in it.
const knex = require("knex");
const serve = require("../_node/shop");

const { hostname, port, username, pathname } = new URL(process.env.DATABASE_URL);
const database = knex({
  client: "pg",
  connection: { host: hostname, port: Number(port), user: username, database: pathname.slice(1) },
  pool: { min: 0, max: Number(process.env.POOL_MAX), acquireTimeoutMillis: 3000 },
});

/** Run a step on a connection of the pool that is asked for here, so that the truth knows it. */
async function borrowed(lease, step, forget, how) {
  const connection = await database.client.acquireConnection();
  lease.taken(connection.processID);
  const answer = await step(connection);
  if (forget) lease.forgotten(how);
  else {
    await database.client.releaseConnection(connection);
    lease.returned();
  }
  return answer;
}

/** A transaction, which holds a connection until it is committed or rolled back. */
async function begun(lease) {
  const trx = await database.transaction();
  lease.taken((await trx.client.acquireConnection()).processID);
  return trx;
}

serve({
  state: () => {
    const { pool } = database.client;
    return { used: pool.numUsed(), idle: pool.numFree(), max: pool.max };
  },
  show: (lease, id) =>
    borrowed(lease, async (connection) => ({ body: await database("orders").connection(connection).where({ id }).first() })),
  peek: (lease, id, forget) =>
    borrowed(lease, async (on) => ({ body: await database("orders").connection(on).where({ id }).first("status") }), forget, "dropped"),
  export: (lease, _, forget) =>
    borrowed(lease, async (on) => ({ body: (await database("orders").connection(on).select()).length }), forget, "early_return"),
  slow: (lease, seconds) =>
    borrowed(lease, async (on) => {
      await database("orders").connection(on).count();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }),
  create: async (lease, total) => {
    const trx = await begun(lease);
    await trx("orders").insert({ customer: "somebody", total, status: "open" });
    await trx.commit();
    lease.returned();
    return { status: 201 };
  },
  pay: async (lease, id, forget) => {
    const trx = await begun(lease);
    const order = await trx("orders").where({ id }).first("total");
    if (forget) {
      lease.forgotten("exception_path");
      return { status: 402 };
    }
    const declined = order.total > 450;
    if (declined) await trx.rollback();
    else {
      await trx("orders").where({ id }).update({ status: "paid" });
      await trx.commit();
    }
    lease.returned();
    return { status: declined ? 402 : 200 };
  },
});
