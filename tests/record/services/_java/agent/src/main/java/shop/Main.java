package shop;

import io.javalin.Javalin;
import io.javalin.http.Context;
import io.opentelemetry.api.GlobalOpenTelemetry;
import java.sql.SQLException;
import observed.ObservedDataSource;

/** The shop as a plain Java program; telemetry is what the OpenTelemetry Java agent adds from outside. */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        var max = Integer.parseInt(System.getenv("POOL_MAX"));
        var pool = Pools.open(System.getenv("POOL"), max);
        if ("true".equals(System.getenv("EVENTS"))) {
            pool = new ObservedDataSource(pool, "orders-db", GlobalOpenTelemetry.get());
        }
        var shop = new Shop(pool);
        Javalin.create(config -> {
            config.startup.showJavalinBanner = false;
            config.routes.exception(SQLException.class, (error, call) -> call.status(503).result(error.getMessage()));
            config.routes.get("/healthz", call -> call.result("ok"));
            config.routes.get("/_labels", call -> call.result(shop.ledger.labels()));
            config.routes.get("/_pool", call -> call.result(shop.ledger.pool(max)));
            config.routes.get("/orders/export", call -> call.result(shop.export(forget(call))));
            config.routes.get("/orders/{id}", call -> call.result(shop.order(id(call))));
            config.routes.post("/orders", call -> call.result(shop.create()));
            config.routes.post("/orders/{id}/pay", call -> call.result(shop.pay(id(call), forget(call))));
            config.routes.get("/orders/{id}/peek", call -> call.result(shop.peek(id(call), forget(call))));
            config.routes.get("/slow", call -> call.result(shop.slow(Double.parseDouble(call.queryParam("seconds")))));
        }).start("127.0.0.1", Integer.parseInt(System.getenv("PORT")));
    }

    private static int id(Context call) {
        return Integer.parseInt(call.pathParam("id"));
    }

    private static boolean forget(Context call) {
        return "1".equals(call.queryParam("forget"));
    }
}
