// node-postgres: what the routes do with a pool, each forgetting in its own way.
const { Pool } = require("pg");
const Cursor = require("pg-cursor");

/** A pool whose options are spelled out: with a connection string its metric knows no name. */
exports.open = function open(url, max) {
  const { hostname, port, username, pathname } = new URL(url);
  return new Pool({ host: hostname, port: Number(port), user: username, database: pathname.slice(1), max, connectionTimeoutMillis: 3000 });
};

exports.state = (pool) => ({ used: pool.totalCount - pool.idleCount, idle: pool.idleCount, max: pool.options.max });

async function take(pool, lease) {
  const client = await pool.connect();
  lease.taken(client.processID);
  return client;
}

function give(client, lease) {
  client.release();
  lease.returned();
}

exports.show = async (pool, lease, id) => {
  const client = await take(pool, lease);
  try {
    return { body: (await client.query("SELECT * FROM orders WHERE id = $1", [id])).rows[0] };
  } finally {
    give(client, lease);
  }
};

exports.create = async (pool, lease, total) => {
  const client = await take(pool, lease);
  try {
    await client.query("BEGIN");
    await client.query("INSERT INTO orders (customer, total, status) VALUES ($1, $2, 'open')", ["somebody", total]);
    await client.query("COMMIT");
    return { status: 201 };
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    give(client, lease);
  }
};

/** Declined cards end the transaction; a forgetful one answers before it does. */
exports.pay = async (pool, lease, id, forget) => {
  const client = await take(pool, lease);
  await client.query("BEGIN");
  const { rows } = await client.query("SELECT total FROM orders WHERE id = $1 FOR UPDATE SKIP LOCKED", [id]);
  if (forget) {
    lease.forgotten("exception_path");
    return { status: 402 };
  }
  const declined = rows.length === 0 || rows[0].total > 450;
  if (declined) await client.query("ROLLBACK");
  else {
    await client.query("UPDATE orders SET status = 'paid' WHERE id = $1", [id]);
    await client.query("COMMIT");
  }
  give(client, lease);
  return { status: declined ? 402 : 200 };
};

exports.export = async (pool, lease, _, forget) => {
  const client = await take(pool, lease);
  const cursor = client.query(new Cursor("SELECT * FROM orders"));
  let count = 0;
  for (let rows = await cursor.read(50); rows.length; rows = await cursor.read(50)) {
    count += rows.length;
    if (forget) {
      lease.forgotten("early_return");
      return { body: { count } };
    }
  }
  await cursor.close();
  give(client, lease);
  return { body: { count } };
};

exports.peek = async (pool, lease, id, forget) => {
  const client = await take(pool, lease);
  const { rows } = await client.query("SELECT status FROM orders WHERE id = $1", [id]);
  if (forget) lease.forgotten("dropped");
  else give(client, lease);
  return { body: rows[0] };
};

exports.slow = async (pool, lease, seconds) => {
  const client = await take(pool, lease);
  await client.query("SELECT count(*) FROM orders");
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await client.query("SELECT count(*) FROM orders WHERE status = 'paid'");
  give(client, lease);
};
