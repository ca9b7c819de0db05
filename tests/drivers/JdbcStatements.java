import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Objects;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;

/** pgjdbc: parameters, batches, fetch size, transactions, COPY, time limits, notifications. */
public final class JdbcStatements {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = Hub.connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE SCHEMA s");
            statement.execute("CREATE TABLE s.t (id bigint NOT NULL, name text, amount numeric(12,2))");
            // Never prepared on the server, in text; at once, in binary.
            for (String threshold : new String[] {"0", "1", "-1"}) {
                parameters(threshold);
            }
            for (String mode : new String[] {"extended", "extendedForPrepared", "extendedCacheEverything", "simple"}) {
                Hub.check("query mode " + mode, "7|x", () -> {
                    try (Connection other = Hub.connect("preferQueryMode", mode); PreparedStatement prepared = other.prepareStatement("SELECT ?::int, ?::text")) {
                        prepared.setInt(1, 7);
                        prepared.setString(2, "x");
                        return Hub.rows(prepared.executeQuery(), "int4", "text");
                    }
                });
            }
            batches();
            counts(connection);
            reading();
            transactions(connection);
            copies(connection);
            session(connection);
            errors(connection);
        }
        Hub.done();
    }

    private static void parameters(String threshold) throws Exception {
        try (Connection connection = Hub.connect("prepareThreshold", threshold)) {
            UUID uuid = UUID.fromString("550e8400-e29b-41d4-a716-446655440000");
            OffsetDateTime moment = OffsetDateTime.of(2026, 1, 2, 3, 4, 5, 678_000, ZoneOffset.UTC);
            value(connection, "smallint", 7, Integer.class);
            value(connection, "int", 42, Integer.class);
            value(connection, "bigint", 1L << 40, Long.class);
            value(connection, "real", 1.5f, Float.class);
            value(connection, "double precision", 2.25, Double.class);
            value(connection, "numeric", new BigDecimal("12345.678"), BigDecimal.class);
            value(connection, "text", "häé'\\x", String.class);
            value(connection, "varchar", "v", String.class);
            value(connection, "boolean", true, Boolean.class);
            value(connection, "date", LocalDate.of(2026, 1, 2), LocalDate.class);
            value(connection, "time", LocalTime.of(1, 2, 3), LocalTime.class);
            value(connection, "timestamp", LocalDateTime.of(2026, 1, 2, 3, 4, 5, 678_000), LocalDateTime.class);
            value(connection, "timestamptz", moment, OffsetDateTime.class);
            value(connection, "uuid", uuid, UUID.class);
            value(connection, "bytea", new byte[] {0, 1, -1}, byte[].class);
            Hub.check(threshold + ": a moment of another zone", "2026-07-01T10:00Z", () -> one(connection, "SELECT ?::timestamptz",
                OffsetDateTime.of(2026, 7, 1, 12, 0, 0, 0, ZoneOffset.ofHours(2))).getObject(1, OffsetDateTime.class));
            Hub.check(threshold + ": a java.sql.Timestamp and Date", "2026-03-29 02:30:00.5 2026-01-02", () -> {
                ResultSet set = one(connection, "SELECT ?::timestamp, ?::date", Timestamp.valueOf("2026-03-29 02:30:00.5"), Date.valueOf("2026-01-02"));
                return set.getTimestamp(1) + " " + set.getDate(2);
            });
            Hub.check(threshold + ": arrays", "[a, null, b c] [1, 2]", () -> {
                ResultSet set = one(connection, "SELECT ?::text[], ?::bigint[]", connection.createArrayOf("text", new Object[] {"a", null, "b c"}),
                    connection.createArrayOf("bigint", new Object[] {1L, 2L}));
                return Arrays.toString((Object[]) set.getArray(1).getArray()) + " " + Arrays.toString((Object[]) set.getArray(2).getArray());
            });
            Hub.check(threshold + ": = ANY of an array", "2", () -> {
                Array ids = connection.createArrayOf("bigint", new Object[] {1L, 3L});
                return one(connection, "SELECT count(*) FROM (VALUES (1), (2), (3)) t(id) WHERE id = ANY (?)", ids).getLong(1);
            });
            Hub.check(threshold + ": JSON", "jsonb {\"a\":1}", () -> {
                PGobject json = new PGobject();
                json.setType("jsonb");
                json.setValue("{\"a\": 1}");
                PGobject found = (PGobject) one(connection, "SELECT ?::jsonb", json).getObject(1);
                return found.getType() + " " + found.getValue().replace(" ", "");
            });
            Hub.check(threshold + ": an interval", "0 years 0 mons 3 days 4 hours 0 mins 0.0 secs",
                () -> one(connection, "SELECT ?::interval", new org.postgresql.util.PGInterval(0, 0, 3, 4, 0, 0)).getObject(1));
            Hub.check(threshold + ": NULLs", "null null", () -> {
                try (PreparedStatement prepared = connection.prepareStatement("SELECT ?::int, ?::timestamptz")) {
                    prepared.setNull(1, Types.INTEGER);
                    prepared.setNull(2, Types.TIMESTAMP_WITH_TIMEZONE);
                    ResultSet set = prepared.executeQuery();
                    set.next();
                    return set.getObject(1) + " " + set.getObject(2);
                }
            });
            Hub.check(threshold + ": what a statement says of its parameters", "1 bigint true", () -> {
                try (PreparedStatement prepared = connection.prepareStatement("SELECT * FROM s.t WHERE id = ?")) {
                    return prepared.getParameterMetaData().getParameterCount() + " "
                        + prepared.getParameterMetaData().getParameterTypeName(1).replace("int8", "bigint") + " " + (prepared.getMetaData().getColumnCount() == 3);
                }
            });
            Hub.check(threshold + ": often", "0 1 2 3 4 5 6 7", () -> {
                StringBuilder all = new StringBuilder();
                try (PreparedStatement prepared = connection.prepareStatement("SELECT ? + 0")) {
                    for (int at = 0; at < 8; at++) {
                        prepared.setInt(1, at);
                        all.append(all.isEmpty() ? "" : " ").append(Hub.rows(prepared.executeQuery()));
                    }
                }
                return all;
            });
        }
    }

    /** A value must come back as it was sent, seven times: pgjdbc changes to binary on the way. */
    private static void value(Connection connection, String type, Object value, Class<?> as) {
        Hub.check(((PGConnection) unwrapped(connection)).getPrepareThreshold() + ": " + type, "true", () -> {
            try (PreparedStatement prepared = connection.prepareStatement("SELECT ?::" + type + ", ?::" + type)) {
                for (int turn = 0; turn < 7; turn++) {
                    prepared.setObject(1, value);
                    prepared.setObject(2, null);
                    ResultSet set = prepared.executeQuery();
                    set.next();
                    Object found = set.getObject(1, as);
                    if (!same(found, value) || set.getObject(2) != null) {
                        return found + " " + set.getObject(2);
                    }
                }
                return true;
            }
        });
    }

    /** A number is the same with more digits behind its point. */
    private static boolean same(Object found, Object value) {
        return value instanceof BigDecimal number ? number.compareTo((BigDecimal) found) == 0 : Objects.deepEquals(found, value);
    }

    private static PGConnection unwrapped(Connection connection) {
        try {
            return connection.unwrap(PGConnection.class);
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    private static ResultSet one(Connection connection, String sql, Object... values) throws SQLException {
        PreparedStatement prepared = connection.prepareStatement(sql);
        for (int at = 0; at < values.length; at++) {
            prepared.setObject(at + 1, values[at]);
        }
        ResultSet set = prepared.executeQuery();
        set.next();
        return set;
    }

    private static void batches() throws Exception {
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection connection = Hub.connect("reWriteBatchedInserts", rewrite)) {
                Hub.query(connection, "SELECT 1");
                Hub.check("a batch, rewritten " + rewrite, rewrite.equals("true") ? "[-2, -2, -2, -2, 1] 5" : "[1, 1, 1, 1, 1] 5", () -> {
                    connection.createStatement().execute("DELETE FROM s.t");
                    try (PreparedStatement prepared = connection.prepareStatement("INSERT INTO s.t (id, name, amount) VALUES (?, ?, ?)")) {
                        for (int at = 0; at < 5; at++) {
                            prepared.setLong(1, at);
                            prepared.setString(2, at % 2 == 0 ? "even" : null);
                            prepared.setBigDecimal(3, new BigDecimal("1.5"));
                            prepared.addBatch();
                        }
                        return Arrays.toString(prepared.executeBatch()) + " " + Hub.query(connection, "SELECT count(*) FROM s.t");
                    }
                });
                Hub.check("a batch in a transaction, rewritten " + rewrite, "[1, 1] 7", () -> {
                    connection.setAutoCommit(false);
                    try (PreparedStatement prepared = connection.prepareStatement("INSERT INTO s.t (id) SELECT ?::bigint")) {
                        for (int at = 5; at < 7; at++) {
                            prepared.setLong(1, at);
                            prepared.addBatch();
                        }
                        int[] counts = prepared.executeBatch();
                        connection.commit();
                        return Arrays.toString(counts) + " " + Hub.query(connection, "SELECT count(*) FROM s.t");
                    } finally {
                        connection.setAutoCommit(true);
                    }
                });
            }
        }
        try (Connection connection = Hub.connect(); Statement statement = connection.createStatement()) {
            Hub.check("a batch of statements", "[1, 2, 1] 6", () -> {
                statement.addBatch("INSERT INTO s.t (id) VALUES (100)");
                statement.addBatch("UPDATE s.t SET name = 'odd' WHERE id IN (1, 3)");
                statement.addBatch("DELETE FROM s.t WHERE id IN (5, 100) AND amount IS NULL AND id > 5");
                return Arrays.toString(statement.executeBatch()) + " " + Hub.query(connection, "SELECT count(*) - 1 FROM s.t");
            });
            Hub.check("a batch with an error in the middle", "[-3, -3, -3] 22012", () -> {
                connection.setAutoCommit(false);
                statement.addBatch("INSERT INTO s.t (id) VALUES (200)");
                statement.addBatch("INSERT INTO s.t (id) SELECT 1 / 0");
                statement.addBatch("INSERT INTO s.t (id) VALUES (201)");
                try {
                    return Arrays.toString(statement.executeBatch());
                } catch (BatchUpdateException error) {
                    return Arrays.toString(error.getUpdateCounts()) + " " + error.getSQLState();
                } finally {
                    connection.rollback();
                    connection.setAutoCommit(true);
                }
            });
        }
    }

    private static void counts(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            Hub.check("counts of rows", "2 2 1 0 0", () -> statement.executeUpdate("INSERT INTO s.t (id) VALUES (300), (301)") + " "
                + statement.executeUpdate("UPDATE s.t SET name = 'x' WHERE id >= 300") + " " + statement.executeUpdate("DELETE FROM s.t WHERE id = 300") + " "
                + statement.executeUpdate("DELETE FROM s.t WHERE id = 300") + " " + statement.executeUpdate("CREATE TABLE s.made (a int)"));
            Hub.check("several statements in one text", "1 2 x", () -> {
                boolean first = statement.execute("SELECT 1; DELETE FROM s.t WHERE id > 5000; SELECT 'x'");
                StringBuilder all = new StringBuilder(first ? Hub.rows(statement.getResultSet()) : "?");
                statement.getMoreResults();
                all.append(statement.getUpdateCount() == 0 ? " 2" : " ?");
                statement.getMoreResults();
                return all.append(" ").append(Hub.rows(statement.getResultSet()));
            });
            Hub.check("a query that answers no rows", "0A000|02000", () -> Hub.state(() -> statement.executeQuery("DELETE FROM s.t WHERE id > 5000")).equals("02000") ? "0A000|02000" : "?");
        }
    }

    private static void reading() throws Exception {
        try (Connection connection = Hub.connect()) {
            connection.setAutoCommit(false);
            Hub.check("rows in portions", "10000 49995000", () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(100);
                    ResultSet set = statement.executeQuery("SELECT x FROM generate_series(0, 9999) t(x)");
                    long rows = 0, sum = 0;
                    while (set.next()) {
                        rows++;
                        sum += set.getLong(1);
                    }
                    return rows + " " + sum;
                }
            });
            Hub.check("portions of two readers at once", "0 0 1 1 2 2 3 3 4 4", () -> {
                try (Statement one = connection.createStatement(); Statement two = connection.createStatement()) {
                    one.setFetchSize(2);
                    two.setFetchSize(3);
                    ResultSet first = one.executeQuery("SELECT x FROM generate_series(0, 4) t(x) ORDER BY x");
                    ResultSet second = two.executeQuery("SELECT x FROM generate_series(0, 4) t(x) ORDER BY x");
                    StringBuilder all = new StringBuilder();
                    while (first.next() && second.next()) {
                        all.append(all.isEmpty() ? "" : " ").append(first.getInt(1)).append(" ").append(second.getInt(1));
                    }
                    return all;
                }
            });
            Hub.check("given up in the middle", "1", () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(10);
                    statement.executeQuery("SELECT x FROM generate_series(0, 10000000) t(x)").next();
                }
                return Hub.query(connection, "SELECT 1");
            });
            Hub.check("at most so many rows", "7", () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setMaxRows(7);
                    ResultSet set = statement.executeQuery("SELECT x FROM generate_series(0, 999) t(x)");
                    int rows = 0;
                    while (set.next()) {
                        rows++;
                    }
                    return rows;
                }
            });
            Hub.check("back and forth", "3 1 2", () -> {
                try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
                    ResultSet set = statement.executeQuery("SELECT x FROM generate_series(1, 3) t(x) ORDER BY x");
                    set.last();
                    String all = set.getString(1);
                    set.first();
                    all += " " + set.getString(1);
                    set.next();
                    return all + " " + set.getString(1);
                }
            });
            connection.rollback();
        }
    }

    private static void transactions(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute("DELETE FROM s.t");
            connection.commit();
            Hub.check("rolled back", "0", () -> {
                statement.executeUpdate("INSERT INTO s.t (id) VALUES (1)");
                connection.rollback();
                return Hub.query(connection, "SELECT count(*) FROM s.t");
            });
            Hub.check("savepoints", "1 3", () -> {
                statement.executeUpdate("INSERT INTO s.t (id) VALUES (1)");
                Savepoint named = connection.setSavepoint("a name");
                statement.executeUpdate("INSERT INTO s.t (id) VALUES (2)");
                connection.rollback(named);
                Savepoint other = connection.setSavepoint();
                statement.executeUpdate("INSERT INTO s.t (id) VALUES (3)");
                connection.releaseSavepoint(other);
                connection.commit();
                return Hub.query(connection, "SELECT id FROM s.t ORDER BY id");
            });
            Hub.check("after an error", "25P02", () -> {
                Hub.state(() -> Hub.query(connection, "SELECT 1/0"));
                String state = Hub.state(() -> Hub.query(connection, "SELECT 1"));
                connection.rollback();
                return state;
            });
            Hub.check("read only", "25006", () -> {
                connection.setReadOnly(true);
                String state = Hub.state(() -> statement.executeUpdate("INSERT INTO s.t (id) VALUES (9)"));
                connection.rollback();
                connection.setReadOnly(false);
                return state;
            });
            Hub.check("isolation", Connection.TRANSACTION_REPEATABLE_READ, () -> {
                connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
                int level = connection.getTransactionIsolation();
                connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
                return level;
            });
            connection.rollback();
        } finally {
            connection.setAutoCommit(true);
        }
        try (Connection saving = Hub.connect("autosave", "always")) {
            saving.setAutoCommit(false);
            Hub.check("a savepoint around each statement", "2", () -> {
                Hub.query(saving, "SELECT 1");
                Hub.state(() -> Hub.query(saving, "SELECT 1/0"));
                return Hub.query(saving, "SELECT 2");
            });
        }
    }

    private static void copies(Connection connection) throws Exception {
        CopyManager manager = connection.unwrap(PGConnection.class).getCopyAPI();
        connection.createStatement().execute("DELETE FROM s.t");
        Hub.check("COPY in, text", "2 1|a\tb|1.50 2|null|null", () -> manager.copyIn("COPY s.t FROM STDIN", new StringReader("1\ta\\tb\t1.5\n2\t\\N\t\\N\n")) + " "
            + Hub.query(connection, "SELECT * FROM s.t ORDER BY id"));
        Hub.check("COPY in, CSV", "1", () -> manager.copyIn("COPY s.t (id, name) FROM STDIN (FORMAT csv, HEADER)", new StringReader("id,name\n3,\"x,y\"\n")));
        connection.createStatement().execute("CREATE CONNECTION s.sent TYPE local WITH (root = '" + System.getenv("WEIR_FILES") + "')");
        connection.createStatement().execute("CREATE SOURCE s.orders (id bigint, name text) FROM CONNECTION s.sent FORMAT csv WITH (path = 'none*.csv')");
        connection.createStatement().execute("CREATE PIPELINE s.load INTO s.loaded APPEND AS SELECT * FROM STREAM(s.orders)");
        Hub.check("COPY PIPELINE", "2 1|x,y 2|null", () -> manager.copyIn("COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER)", new StringReader("id,name\n1,\"x,y\"\n2,\n")) + " "
            + Hub.query(connection, "SELECT id, name FROM s.loaded ORDER BY id"));
        connection.createStatement().execute("DROP PIPELINE s.load; DROP TABLE s.loaded; DROP SOURCE s.orders; DROP CONNECTION s.sent");
        Hub.check("COPY out, CSV", "id,name\n1,a\tb\n2,\n3,\"x,y\"\n", () -> {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            manager.copyOut("COPY (SELECT id, name FROM s.t ORDER BY id) TO STDOUT (FORMAT csv, HEADER)", out);
            return out.toString(StandardCharsets.UTF_8);
        });
        Hub.check("COPY out, binary", "PGCOPY", () -> {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            manager.copyOut("COPY s.t TO STDOUT (FORMAT binary)", out);
            return out.toString(StandardCharsets.ISO_8859_1).substring(0, 6);
        });
        Hub.check("a refused COPY", "22P02 3", () -> Hub.state(() -> manager.copyIn("COPY s.t FROM STDIN", new StringReader("no number\ta\t1\n"))) + " "
            + Hub.query(connection, "SELECT count(*) FROM s.t"));
        Hub.check("COPY of nothing that is", "42P01 3", () -> Hub.state(() -> manager.copyIn("COPY s.nothing FROM STDIN", new StringReader("1\n"))) + " "
            + Hub.query(connection, "SELECT count(*) FROM s.t"));
    }

    private static void session(Connection connection) throws Exception {
        PGConnection own = connection.unwrap(PGConnection.class);
        Hub.check("alive", true, () -> connection.isValid(5));
        Hub.check("schema", "s 3", () -> {
            connection.setSchema("s");
            String all = connection.getSchema() + " " + Hub.query(connection, "SELECT count(*) FROM t");
            connection.setSchema("public");
            return all;
        });
        Hub.check("catalog", "weir", connection::getCatalog);
        Hub.check("name of the application", "a tool", () -> {
            connection.setClientInfo("ApplicationName", "a tool");
            return Hub.query(connection, "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()");
        });
        Hub.check("notifications", "news=hello", () -> {
            try (Connection other = Hub.connect()) {
                connection.createStatement().execute("LISTEN news");
                other.createStatement().execute("NOTIFY news, 'hello'");
                PGNotification[] all = own.getNotifications(10_000);
                connection.createStatement().execute("UNLISTEN *");
                return all == null ? "nothing" : all[0].getName() + "=" + all[0].getParameter();
            }
        });
        Hub.check("warnings", true, () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("DROP TABLE IF EXISTS s.nothing");
                return statement.getWarnings().getMessage().contains("does not exist, skipping");
            }
        });
        Hub.check("a time limit", "57014 true", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                long start = System.nanoTime();
                String state = Hub.state(() -> statement.executeQuery("SELECT pg_sleep(60)"));
                return state + " " + (System.nanoTime() - start < 10_000_000_000L);
            }
        });
        Hub.check("cancelled by another thread", "57014", () -> {
            try (Statement statement = connection.createStatement()) {
                Thread other = new Thread(() -> {
                    try (Connection watch = Hub.connect()) {
                        while (Hub.query(watch, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(61%' AND state = 'active'").equals("0")) {
                            Thread.onSpinWait();
                        }
                        statement.cancel();
                    } catch (SQLException error) {
                        throw new IllegalStateException(error);
                    }
                });
                other.start();
                String state = Hub.state(() -> statement.executeQuery("SELECT pg_sleep(61)"));
                other.join();
                return state;
            }
        });
        Hub.check("still good", "1", () -> Hub.query(connection, "SELECT 1"));
    }

    private static void errors(Connection connection) {
        Hub.check("syntax", "42601", () -> Hub.state(() -> Hub.query(connection, "SELEC 1")));
        Hub.check("no such table", "42P01 15", () -> {
            try {
                return Hub.query(connection, "SELECT * FROM nothing");
            } catch (PSQLException error) {
                return error.getSQLState() + " " + error.getServerErrorMessage().getPosition();
            }
        });
        Hub.check("generated keys", "0A000", () -> {
            try (PreparedStatement prepared = connection.prepareStatement("INSERT INTO s.t (id) VALUES (77)", new String[] {"id"})) {
                return Hub.state(() -> prepared.executeUpdate());
            }
        });
        Hub.check("a call", "t", () -> {
            try (java.sql.CallableStatement call = connection.prepareCall("{call lower(?)}")) {
                call.setString(1, "T");
                return Hub.rows(call.executeQuery());
            }
        });
        Hub.check("escapes", "3|2026-01-02", () -> Hub.query(connection, "SELECT {fn length('abc')} AS a, {d '2026-01-02'} AS b"));
    }
}
