import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** What the Java scripts share: where the hub is, what it is given, and how a check reports. */
final class Hub {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final String URL = "jdbc:postgresql://127.0.0.1:" + System.getenv("WEIR_PORT") + "/weir";
    private static int failed = 0;

    interface Body {
        Object run() throws Exception;
    }

    private Hub() {}

    /** A connection with properties given as name, value, name, value.. */
    static Connection connect(String... properties) throws SQLException {
        Properties all = new Properties();
        all.setProperty("user", "admin");
        all.setProperty("password", System.getenv("WEIR_PASSWORD"));
        for (int at = 0; at < properties.length; at += 2) {
            all.setProperty(properties[at], properties[at + 1]);
        }
        return DriverManager.getConnection(URL, all);
    }

    /** Makes the shop. */
    static void setUp() throws Exception {
        String script = Files.readString(Path.of(System.getenv("WEIR_DRIVERS"), "shop.sql")).replace("{files}", System.getenv("WEIR_FILES"));
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            for (String one : script.split(";\n")) {
                if (!one.isBlank()) {
                    statement.execute(one);
                }
            }
        }
    }

    /** Runs one check; what it gives, as text, must be what is expected. */
    static void check(String name, Object expected, Body body) {
        try {
            String found = String.valueOf(body.run());
            if (!found.equals(String.valueOf(expected))) {
                throw new AssertionError("expected " + expected + "\n   found " + found);
            }
            OUT.println("ok  " + name);
        } catch (Exception | AssertionError error) {
            failed++;
            OUT.println("FAILED " + name);
            OUT.println("  " + error);
            StackTraceElement[] trace = error.getStackTrace();
            for (int at = 0; at < Math.min(3, trace.length) && !(error instanceof AssertionError); at++) {
                OUT.println("    " + trace[at]);
            }
        }
    }

    /** The SQLSTATE that a body ends with. */
    static String state(Body body) throws Exception {
        try {
            return "no error: " + body.run();
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    /** The named columns of every row, or all of them: values parted by "|", rows by a space. */
    static String rows(ResultSet set, String... columns) throws SQLException {
        List<String> names = new ArrayList<>(List.of(columns));
        for (int at = 1; columns.length == 0 && at <= set.getMetaData().getColumnCount(); at++) {
            names.add(set.getMetaData().getColumnName(at));
        }
        List<String> rows = new ArrayList<>();
        while (set.next()) {
            List<String> row = new ArrayList<>();
            for (String name : names) {
                row.add(set.getString(name));
            }
            rows.add(String.join("|", row));
        }
        set.close();
        return String.join(" ", rows);
    }

    static String query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(sql));
        }
    }

    static void done() {
        System.exit(failed == 0 ? 0 : 1);
    }
}
