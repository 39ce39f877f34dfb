// mysql and mysql2, whose pools have the same callbacks, on a MariaDB of their own (`mariadbd` on PATH).
const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { createServer } = require("node:net");
const { tmpdir } = require("node:os");
const path = require("node:path");
const { promisify } = require("node:util");

const free = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A server in a new directory, with the table `orders`; it goes with this process. */
async function mariadb(driver) {
  const home = mkdtempSync(path.join(tmpdir(), "mariadb-"));
  const port = await free();
  const where = ["--no-defaults", "--skip-grant-tables", "--user=root", `--datadir=${home}`, `--socket=${home}/socket`];
  const server = spawn("mariadbd", [...where, "--bind-address=127.0.0.1", `--port=${port}`], { stdio: "ignore" });
  process.on("exit", () => {
    server.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  });
  const address = { host: "127.0.0.1", port, user: "root" };
  for (let tries = 0; ; tries++) {
    try {
      const connection = driver.createConnection(address);
      const query = promisify(connection.query.bind(connection));
      await query("CREATE DATABASE shop");
      await query("CREATE TABLE shop.orders (id int PRIMARY KEY AUTO_INCREMENT, total int, status varchar(9)) ENGINE=InnoDB");
      await query(`INSERT INTO shop.orders (total, status) VALUES ${Array(200).fill("(100, 'open')").join()}`);
      connection.end();
      return { ...address, database: "shop" };
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const asked = (connection, ...words) => promisify(connection.query).call(connection, ...words);
const step = (connection, name) => promisify(connection[name]).call(connection);

/** The routes on a pool of this driver. */
module.exports = async function orders(driver) {
  const max = Number(process.env.POOL_MAX);
  const pool = driver.createPool({ ...(await mariadb(driver)), connectionLimit: max });

  async function held(lease, how, forget, work) {
    const connection = await promisify(pool.getConnection).call(pool);
    lease.taken(connection.threadId);
    const answer = await work(connection);
    if (forget) lease.forgotten(how);
    else {
      connection.release();
      lease.returned();
    }
    return answer;
  }
  const read = (lease, id, forget) =>
    held(lease, "dropped", forget, async (on) => ({ body: (await asked(on, "SELECT * FROM orders WHERE id = ?", [id]))[0] }));

  return {
    state: () => {
      const [all, idle] = [pool._allConnections.length, pool._freeConnections.length];
      return { used: all - idle, idle, max };
    },
    show: read,
    peek: read,
    export: (lease, _, forget) =>
      held(lease, "early_return", forget, async (on) => ({ body: (await asked(on, "SELECT * FROM orders")).length })),
    slow: (lease, seconds) =>
      held(lease, "", false, async (on) => {
        await asked(on, "SELECT count(*) FROM orders");
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      }),
    create: (lease, total) =>
      held(lease, "", false, async (on) => {
        await step(on, "beginTransaction");
        await asked(on, "INSERT INTO orders (total, status) VALUES (?, 'open')", [total]);
        await step(on, "commit");
        return { status: 201 };
      }),
    pay: (lease, id, forget) =>
      held(lease, "exception_path", forget, async (on) => {
        await step(on, "beginTransaction");
        await asked(on, "SELECT total FROM orders WHERE id = ?", [id]);
        if (forget) return { status: 402 };
        await step(on, id % 9 ? "commit" : "rollback");
        return { status: id % 9 ? 200 : 402 };
      }),
  };
};
