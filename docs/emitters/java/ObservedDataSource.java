package observed;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.context.Context;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import javax.sql.DataSource;

/** A pool that says when a connection is taken and given back: two log events a borrow, in the borrower's trace. */
public final class ObservedDataSource implements DataSource {
    private static final Pattern LIBRARY = Pattern.compile(
        "^(observed|java|javax|jakarta|jdk|sun|com\\.sun|kotlin|org\\.(springframework|hibernate|jooq|mybatis|apache)|net\\.ttddyy)\\.");
    // A hold's id is of this process and no other: a resource without service.instance.id does not tell processes apart.
    private static final String PROCESS = Long.toHexString(ThreadLocalRandom.current().nextLong()) + '-';
    private static final AtomicLong HOLDS = new AtomicLong();
    private final DataSource pool;
    private final String name;
    private final Logger events;

    public ObservedDataSource(DataSource pool, String name, OpenTelemetry telemetry) {
        this.pool = pool;
        this.name = name;
        this.events = telemetry.getLogsBridge().get("observed.jdbc");
    }

    @Override
    public Connection getConnection() throws SQLException {
        return observed(pool.getConnection());
    }

    @Override
    public Connection getConnection(String user, String password) throws SQLException {
        return observed(pool.getConnection(user, password));
    }

    private Connection observed(Connection connection) throws SQLException {
        var physical = connection.isWrapperFor(Connection.class) ? connection.unwrap(Connection.class) : connection;
        var hold = Attributes.builder()
            .put("db.client.connection.hold.id", PROCESS + HOLDS.incrementAndGet())
            .put("db.client.connection.pool.name", name)
            .put("db.client.connection.id", physical.getClass().getName() + '@' + Integer.toHexString(System.identityHashCode(physical)))
            .build();
        var borrower = Context.current();
        emit("acquired", borrower, whoAsks(hold.toBuilder()).build());
        var returned = new AtomicBoolean();
        return (Connection) Proxy.newProxyInstance(Connection.class.getClassLoader(), new Class<?>[] {Connection.class}, (proxy, method, arguments) -> {
            if (method.getName().equals("equals")) {
                return proxy == arguments[0];
            }
            try {
                return method.invoke(connection, arguments);
            } catch (InvocationTargetException failed) {
                throw failed.getCause();
            } finally {
                // Also when it fails: a pool takes back, or throws away, what could not be closed.
                var closing = method.getName().equals("close") || method.getName().equals("abort");
                if (closing && returned.compareAndSet(false, true)) {
                    var reason = method.getName().equals("close") ? "returned" : "closed";
                    emit("released", borrower, hold.toBuilder().put("db.client.connection.release.reason", reason).build());
                }
            }
        });
    }

    private void emit(String what, Context borrower, Attributes attributes) {
        events.logRecordBuilder()
            .setEventName("db.client.connection." + what)
            .setContext(borrower)
            .setAllAttributes(attributes)
            .emit();
    }

    /** Where the connection was taken: the first frame outside libraries. */
    private static AttributesBuilder whoAsks(AttributesBuilder hold) {
        StackWalker.getInstance()
            .walk(frames -> frames.filter(frame -> !LIBRARY.matcher(frame.getClassName()).find()).findFirst())
            .ifPresent(frame -> hold
                .put("code.function.name", frame.getClassName() + '.' + frame.getMethodName())
                .put("code.file.path", frame.getFileName())
                .put("code.line.number", (long) frame.getLineNumber()));
        return hold;
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
        return type.isInstance(pool) ? type.cast(pool) : pool.unwrap(type);
    }

    @Override
    public boolean isWrapperFor(Class<?> type) throws SQLException {
        return type.isInstance(pool) || pool.isWrapperFor(type);
    }

    @Override
    public PrintWriter getLogWriter() throws SQLException {
        return pool.getLogWriter();
    }

    @Override
    public void setLogWriter(PrintWriter writer) throws SQLException {
        pool.setLogWriter(writer);
    }

    @Override
    public void setLoginTimeout(int seconds) throws SQLException {
        pool.setLoginTimeout(seconds);
    }

    @Override
    public int getLoginTimeout() throws SQLException {
        return pool.getLoginTimeout();
    }

    @Override
    public java.util.logging.Logger getParentLogger() throws java.sql.SQLFeatureNotSupportedException {
        return pool.getParentLogger();
    }
}
