package shop;

import java.net.URI;

/** Where the database is, as JDBC wants to be told. */
public final class Database {
    private static final URI PLACE = URI.create(System.getenv("DATABASE_URL"));
    public static final String URL = "jdbc:postgresql://%s:%d%s".formatted(PLACE.getHost(), PLACE.getPort(), PLACE.getPath());
    public static final String USER = PLACE.getUserInfo();

    private Database() {}
}
