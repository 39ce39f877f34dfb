package shop;

import com.alibaba.druid.pool.DruidDataSource;
import com.mchange.v2.c3p0.ComboPooledDataSource;
import com.zaxxer.hikari.HikariDataSource;
import java.time.Duration;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.vibur.dbcp.ViburDBCPDataSource;

/** Each pool with its own leak reports on, and otherwise as it comes. */
final class Pools {
    private static final String PASSWORD = "none";
    /** Seconds after which those pools that can only take back what is overdue do so; the others only report. */
    private static final int RECLAIM = 20;

    static DataSource open(String pool, int max) throws Exception {
        return switch (pool) {
            case "hikari" -> hikari(max);
            case "c3p0" -> c3p0(max);
            case "dbcp" -> dbcp(max);
            case "tomcat" -> tomcat(max);
            case "druid" -> druid(max);
            case "vibur" -> vibur(max);
            default -> throw new IllegalArgumentException(pool);
        };
    }

    private static DataSource hikari(int max) {
        var pool = new HikariDataSource();
        pool.setPoolName("orders-db");
        pool.setJdbcUrl(Database.URL);
        pool.setUsername(Database.USER);
        pool.setMaximumPoolSize(max);
        pool.setMinimumIdle(2);
        pool.setConnectionTimeout(3000);
        pool.setLeakDetectionThreshold(2000);
        return pool;
    }

    private static DataSource c3p0(int max) {
        var pool = new ComboPooledDataSource("orders-db");
        pool.setJdbcUrl(Database.URL);
        pool.setUser(Database.USER);
        pool.setMaxPoolSize(max);
        pool.setCheckoutTimeout(3000);
        pool.setUnreturnedConnectionTimeout(RECLAIM);
        pool.setDebugUnreturnedConnectionStackTraces(true);
        return pool;
    }

    private static DataSource dbcp(int max) {
        var pool = new BasicDataSource();
        pool.setUrl(Database.URL);
        pool.setUsername(Database.USER);
        pool.setMaxTotal(max);
        pool.setMaxWait(Duration.ofSeconds(3));
        pool.setJmxName("shop:type=BasicDataSource,name=orders-db");
        pool.setRemoveAbandonedOnMaintenance(true);
        pool.setRemoveAbandonedTimeout(Duration.ofSeconds(RECLAIM));
        pool.setDurationBetweenEvictionRuns(Duration.ofSeconds(1));
        pool.setLogAbandoned(true);
        return pool;
    }

    /** Says "suspect" after two seconds and "was returned" when it comes back; takes nothing away. */
    private static DataSource tomcat(int max) {
        var pool = new org.apache.tomcat.jdbc.pool.DataSource();
        pool.setName("orders-db");
        pool.setDriverClassName("org.postgresql.Driver");
        pool.setUrl(Database.URL);
        pool.setUsername(Database.USER);
        pool.setMaxActive(max);
        pool.setMaxWait(3000);
        pool.setSuspectTimeout(2);
        pool.setRemoveAbandonedTimeout(3600);
        pool.setLogAbandoned(true);
        pool.setTimeBetweenEvictionRunsMillis(1000);
        return pool;
    }

    private static DataSource druid(int max) {
        var pool = new DruidDataSource();
        pool.setName("orders-db");
        pool.setUrl(Database.URL);
        pool.setUsername(Database.USER);
        pool.setMaxActive(max);
        pool.setMaxWait(3000);
        pool.setRemoveAbandoned(true);
        pool.setRemoveAbandonedTimeout(RECLAIM);
        pool.setTimeBetweenEvictionRunsMillis(1000);
        pool.setLogAbandoned(true);
        return pool;
    }

    private static DataSource vibur(int max) {
        var pool = new ViburDBCPDataSource();
        pool.setName("orders-db");
        pool.setJdbcUrl(Database.URL);
        pool.setUsername(Database.USER);
        pool.setPassword(PASSWORD);
        pool.setPoolMaxSize(max);
        pool.setConnectionTimeoutInMs(3000);
        pool.start();
        return pool;
    }
}
