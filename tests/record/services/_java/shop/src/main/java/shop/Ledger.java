package shop;

import io.opentelemetry.api.trace.Span;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.jdbc.PgConnection;

/** Who took which connection and gave it back, or not: the truth that a recording is labelled with. */
public final class Ledger {
    /** One borrow of a connection; {@code released} 0 while it is out. */
    public static final class Lease {
        final int number;
        final String route;
        final String trace = Span.current().getSpanContext().getTraceId();
        final String span = Span.current().getSpanContext().getSpanId();
        final long taken = now();
        final PgConnection driver;
        final Connection connection;
        long released;
        String forgot;

        Lease(int number, String route, Connection connection) {
            this.number = number;
            this.route = route;
            this.connection = connection;
            this.driver = driver(connection);
        }

        /** Whether its pool took it back from whom forgot it. */
        private boolean takenBack() {
            try {
                return forgot != null && (connection.isClosed() || driver != null && driver.isClosed());
            } catch (SQLException unusable) {
                return true;
            }
        }

        String json() {
            return "{\"lease\":%d,\"route\":\"%s\",\"trace_id\":\"%s\",\"span_id\":\"%s\",\"t_acquire\":%d,\"t_release\":%s,\"backend_pid\":%s,\"forgot\":%s,\"collected\":%s}"
                .formatted(number, route, trace, span, taken, released == 0 ? "null" : released, driver == null ? "null" : driver.getBackendPID(), forgot == null ? "null" : '"' + forgot + '"', takenBack());
        }
    }

    private final List<Lease> leases = new ArrayList<>();

    synchronized Connection taken(String route, Connection connection) {
        leases.add(new Lease(leases.size() + 1, route, connection));
        return connection;
    }

    synchronized Lease of(Connection connection) {
        return leases.stream().filter(one -> one.connection == connection && one.released == 0).findFirst().orElseThrow();
    }

    synchronized void givenBack(Lease lease) {
        lease.released = now();
    }

    synchronized void forgotten(Lease lease, String why) {
        lease.forgot = why;
    }

    public synchronized String labels() {
        return leases.stream().map(Lease::json).toList().toString();
    }

    public synchronized String pool(int max) {
        var used = leases.stream().filter(one -> one.released == 0 && !one.takenBack()).count();
        return "{\"used\":%d,\"idle\":%d,\"max\":%d}".formatted(used, Math.max(0, max - used), max);
    }

    /** The driver's own connection; null where a pool hides it. */
    private static PgConnection driver(Connection connection) {
        try {
            return connection.unwrap(PgConnection.class);
        } catch (SQLException hidden) {
            return null;
        }
    }

    private static long now() {
        var instant = Instant.now();
        return instant.getEpochSecond() * 1_000_000_000L + instant.getNano();
    }
}
