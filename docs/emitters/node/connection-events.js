// Tells of each connection of a node-postgres pool who took it, where in the code, and when it came back: OpenTelemetry
// log events, two a hold, in the trace of the borrower. It sends nothing itself: that is the application's SDK.
//
//     const pool = watch(new Pool({ … }));
const { context } = require("@opentelemetry/api");
const { logs } = require("@opentelemetry/api-logs");

/** Watch a pool; its name is its address unless told otherwise. */
module.exports = function watch(pool, name) {
  const events = logs.getLogger("pg.connection-events");
  const holds = new WeakMap(); // client -> its hold, while somebody has it
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
    events.emit({ eventName: `db.client.connection.${event}`, context: hold?.context, attributes });
  }

  // The pool's own `acquire` event runs in the context of whoever gave the connection back, when somebody waited for it.
  const connect = pool.connect;
  pool.connect = function (callback) {
    const id = { "db.client.connection.hold.id": String(++last) };
    const hold = { context: context.active(), attributes: { ...id, ...caller() } };
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

/** The first frame outside of libraries and of this file. */
function caller() {
  const frames = new Error().stack.split("\n").slice(1);
  const frame = frames.find((one) => !/node_modules|\(?node:|connection-events\.js/.test(one));
  const [, called, file, line] = frame?.match(/at (?:(?:async )?(.+?) \()?(.+?):(\d+):\d+\)?$/) ?? [];
  return file && { "code.function.name": called ?? "", "code.file.path": file, "code.line.number": Number(line) };
}
