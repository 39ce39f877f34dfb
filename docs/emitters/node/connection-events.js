// Tells of each connection of a node-postgres pool who took it, where in the code, and when it came back: OpenTelemetry
// log events, two a hold, in the trace of the borrower. It sends nothing itself: that is the application's SDK.
//
//     const pool = watch(new Pool({ … }));
const { randomUUID } = require("node:crypto");
const api = require("@opentelemetry/api");

/** Watch a pool; its name is its address unless told otherwise. */
module.exports = function watch(pool, name) {
  const events = apis().map((one) => one.getLogger("pg.connection-events"));
  const holds = new WeakMap(); // client -> its hold, while somebody has it
  const own = randomUUID(); // a resource without service.instance.id does not tell processes apart, nor this pool from another
  let last = 0;

  function emit(event, client, hold, more) {
    const { host, port, database } = client.connectionParameters;
    const attributes = {
      "db.client.connection.pool.name": name ?? `${host}:${port}/${database}`,
      "db.client.connection.id": String(client.processID),
      "db.system.name": "postgresql",
      "server.address": host,
      "server.port": port,
      "db.namespace": database,
      ...hold?.attributes,
      ...more,
    };
    for (const one of events) one.emit({ eventName: `db.client.connection.${event}`, context: hold?.context, attributes });
  }

  // The pool's own `acquire` event runs in the context of whoever gave the connection back, when somebody waited for it.
  const connect = pool.connect;
  pool.connect = function (callback) {
    const id = { "db.client.connection.hold.id": `${own}-${++last}` };
    const hold = { context: api.context.active(), attributes: { ...id, ...caller() } };
    const taken = (client) => {
      holds.set(client, hold);
      emit("acquired", client, hold);
      return client;
    };
    if (!callback) return connect.call(this).then(taken);
    return connect.call(this, (error, client, done) => callback(error, client && taken(client), done));
  };

  pool.on("release", (error, client) => {
    const hold = holds.get(client);
    if (!hold) return; // whoever asked for it had given up: nobody had it
    holds.delete(client);
    emit("released", client, hold, { "db.client.connection.release.reason": error ? "closed" : "returned" });
  });
  pool.on("connect", (client) => emit("opened", client));
  pool.on("remove", (client) => emit("closed", client));
  return pool;
};

/** The logs API of SDK 3, which is in @opentelemetry/api, and that of SDKs before it; the SDK listens to one of them. */
function apis() {
  try {
    return [api.logs, require("@opentelemetry/api-logs").logs].filter(Boolean);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" || !api.logs) throw error;
    return [api.logs];
  }
}

/** The first frame outside of libraries and of this file. */
function caller() {
  const frames = new Error().stack.split("\n").slice(1);
  const frame = frames.find((one) => !/node_modules|\(?node:|connection-events\.js/.test(one));
  const [, called, file, line] = frame?.match(/at (?:(?:async )?(.+?) \()?(.+?):(\d+):\d+\)?$/) ?? [];
  return file && { "code.function.name": called ?? "", "code.file.path": file, "code.line.number": Number(line) };
}
