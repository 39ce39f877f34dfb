package shop;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** The orders service: what it does with connections, well and badly. Knows no framework and no pool. */
public final class Shop {
    public final Ledger ledger = new Ledger();
    private final DataSource pool;
    /** What a forgetful program keeps by accident: nothing here is ever given back, nor collected. */
    private final List<Object> forgotten = new ArrayList<>();

    public Shop(DataSource pool) {
        this.pool = pool;
    }

    public String order(int id) throws SQLException {
        var connection = ledger.taken("GET /orders/{id}", pool.getConnection());
        try (var query = connection.prepareStatement("SELECT customer, total FROM orders WHERE id = ?")) {
            query.setInt(1, id);
            var rows = query.executeQuery();
            return rows.next() ? rows.getString(1) : "none";
        } finally {
            giveBack(connection);
        }
    }

    public String create() throws SQLException {
        var connection = ledger.taken("POST /orders", pool.getConnection());
        try (var insert = connection.prepareStatement("INSERT INTO orders (customer, total, status) VALUES (?, 10, 'open')")) {
            connection.setAutoCommit(false);
            insert.setString(1, "customer 0");
            insert.executeUpdate();
            connection.commit();
            return "created";
        } finally {
            connection.setAutoCommit(true);
            giveBack(connection);
        }
    }

    /** Forgets on the exception path: the transaction stays open. */
    public String pay(int id, boolean forget) throws SQLException {
        var connection = ledger.taken("POST /orders/{id}/pay", pool.getConnection());
        try {
            connection.setAutoCommit(false);
            try (var look = connection.prepareStatement("SELECT total, status FROM orders WHERE id = ?")) {
                look.setInt(1, id);
                look.executeQuery();
            }
            if (forget) {
                throw new IllegalStateException("card declined");
            }
            try (var pay = connection.prepareStatement("UPDATE orders SET status = 'paid' WHERE id = ?")) {
                pay.setInt(1, id);
                pay.executeUpdate();
            }
            connection.commit();
            connection.setAutoCommit(true);
            giveBack(connection);
            return "paid";
        } catch (IllegalStateException declined) {
            forget(connection, "exception_path");
            return "declined";
        }
    }

    /** Forgets by an early return while rows are open. */
    public String export(boolean forget) throws SQLException {
        var connection = ledger.taken("GET /orders/export", pool.getConnection());
        connection.setAutoCommit(false);
        var query = connection.prepareStatement("SELECT id, customer, total FROM orders ORDER BY id");
        query.setFetchSize(50);
        var rows = query.executeQuery();
        var length = 0;
        while (rows.next()) {
            length += rows.getString(2).length();
            if (forget && length > 900) {
                forget(connection, "early_return");
                return "too long";
            }
        }
        rows.close();
        query.close();
        connection.commit();
        connection.setAutoCommit(true);
        giveBack(connection);
        return Integer.toString(length);
    }

    /** Forgets always when told to: nobody closes. */
    public String peek(int id, boolean forget) throws SQLException {
        var connection = ledger.taken("GET /orders/{id}/peek", pool.getConnection());
        try (var query = connection.prepareStatement("SELECT status FROM orders WHERE id = ?")) {
            query.setInt(1, id);
            query.executeQuery().next();
        }
        if (forget) {
            forget(connection, "dropped");
        } else {
            giveBack(connection);
        }
        return "peeked";
    }

    /** Holds its connection for long, and gives it back. */
    public String slow(double seconds) throws Exception {
        var connection = ledger.taken("GET /slow", pool.getConnection());
        try (var query = connection.prepareStatement("SELECT 1")) {
            query.execute();
            Thread.sleep((long) (seconds * 1000));
            query.execute();
        } finally {
            giveBack(connection);
        }
        return "slept";
    }

    private void giveBack(Connection connection) throws SQLException {
        var held = ledger.of(connection);
        connection.close();
        ledger.givenBack(held);
    }

    private void forget(Connection connection, String why) {
        ledger.forgotten(ledger.of(connection), why);
        synchronized (forgotten) {
            forgotten.add(connection);
        }
    }
}
