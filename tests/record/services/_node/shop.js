// The routes of every Node service here, over one library's handlers, and the truth about each lease.
const express = require("express");

/** One borrow, from before it was asked for; `end` says that it came back. */
class Lease {
  static all = [];

  constructor(request, route, pool = "orders-db") {
    const { traceId, spanId } = request.serverSpan;
    this.said = { lease: Lease.all.length, route, pool, trace_id: traceId, span_id: spanId, t_acquire: null };
    Object.assign(this.said, { t_release: null, backend_pid: null, forgot: null, collected: false });
  }

  taken(pid) {
    this.said.t_acquire = now();
    this.said.backend_pid = pid ?? null;
    Lease.all.push(this.said);
  }

  forgotten(how) {
    this.said.forgot = how;
  }

  returned() {
    this.said.t_release = now();
  }
}

// Nanoseconds do not fit into a number: milliseconds with zeros behind them.
const now = () => `${Date.now()}000000`;
const json = (value) => JSON.stringify(value).replaceAll(/"(\d{19})"/g, "$1");

/** Serve `orders`: show create pay export peek slow, each `(lease, id or seconds, forget)`, and `state()`. */
module.exports = function serve(orders) {
  const app = express();
  const route = (method, path, name, argument) =>
    app[method](path, async (request, response) => {
      const lease = new Lease(request, name, orders.poolOf?.(name));
      try {
        const answer = await orders[name](lease, argument(request), request.query.forget === "1");
        response.status(answer?.status ?? 200).json(answer?.body ?? {});
      } catch (error) {
        response.status(503).json({ error: error.message });
      }
    });
  const id = (request) => Number(request.params.id);
  app.get("/healthz", (_, response) => void response.json({}));
  app.get("/_labels", (_, response) => void response.type("json").send(json(Lease.all)));
  app.get("/_pool", (_, response) => void response.json(orders.state()));
  route("get", "/orders/export", "export", () => 0);
  route("get", "/orders/:id", "show", id);
  route("get", "/orders/:id/peek", "peek", id);
  route("post", "/orders", "create", () => Math.floor(Math.random() * 500));
  route("post", "/orders/:id/pay", "pay", id);
  route("get", "/slow", "slow", (request) => Number(request.query.seconds));
  app.listen(Number(process.env.PORT), "127.0.0.1");
};
