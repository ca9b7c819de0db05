import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;

/** pgjdbc: what DatabaseMetaData tells about the shop. IDEs, BI tools and ETL tools on Java see exactly this. */
public final class JdbcMetadata {
    public static void main(String[] arguments) throws Exception {
        if (System.getenv("WEIR_MADE") == null) {
            Hub.setUp();
        }
        try (Connection connection = Hub.connect()) {
            connection.setReadOnly(true);
            relations(connection.getMetaData());
            keys(connection.getMetaData());
            types(connection.getMetaData());
            rights(connection.getMetaData());
            results(connection);
        }
        Hub.done();
    }

    private static void relations(DatabaseMetaData data) {
        Hub.check("version", "16", () -> data.getDatabaseMajorVersion());
        Hub.check("product", "PostgreSQL", data::getDatabaseProductName);
        Hub.check("catalogs", "weir", () -> Hub.rows(data.getCatalogs(), "TABLE_CAT"));
        Hub.check("schemas", "hub information_schema pg_catalog public shop template", () -> Hub.rows(data.getSchemas(), "TABLE_SCHEM"));
        Hub.check("schemas by pattern", "shop|weir", () -> Hub.rows(data.getSchemas("weir", "sh%"), "TABLE_SCHEM", "TABLE_CATALOG"));
        Hub.check("kinds of tables", "FOREIGN TABLE INDEX MATERIALIZED VIEW PARTITIONED INDEX PARTITIONED TABLE SEQUENCE SYSTEM INDEX SYSTEM TABLE"
            + " SYSTEM TOAST INDEX SYSTEM TOAST TABLE SYSTEM VIEW TABLE TEMPORARY INDEX TEMPORARY SEQUENCE TEMPORARY TABLE TEMPORARY VIEW TYPE VIEW",
            () -> Hub.rows(data.getTableTypes(), "TABLE_TYPE"));
        Hub.check("tables of all types", "people|FOREIGN TABLE|null customers_email_key|INDEX|null customers_pkey|INDEX|null loaded_pkey|INDEX|null"
            + " orders_pkey|INDEX|null people_pkey|INDEX|null customers|TABLE|Who buys. kinds|TABLE|null loaded|TABLE|null orders|TABLE|null big|VIEW|Large ones.",
            () -> Hub.rows(data.getTables(null, "shop", "%", null), "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
        Hub.check("tables", "customers kinds loaded orders", () -> Hub.rows(data.getTables("weir", "shop", "%", new String[] {"TABLE"}), "TABLE_NAME"));
        Hub.check("views", "shop.big", () -> Hub.rows(data.getTables(null, "shop", "b_g", new String[] {"VIEW"}), "TABLE_SCHEM", "TABLE_NAME").replace("|", "."));
        Hub.check("system tables", "true",
            () -> Hub.rows(data.getTables(null, "pg_catalog", "pg_class", new String[] {"SYSTEM TABLE"}), "TABLE_NAME").equals("pg_class"));
        Hub.check("no such table", "", () -> Hub.rows(data.getTables(null, "shop", "nothing", null), "TABLE_NAME"));
        String[] columns = {"COLUMN_NAME", "TYPE_NAME", "DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "COLUMN_DEF", "ORDINAL_POSITION", "IS_NULLABLE"};
        Hub.check("columns", "id|int8|-5|19|0|0|null|1|NO customer_id|int8|-5|19|0|1|null|2|YES amount|numeric|2|12|2|1|0|3|YES"
            + " placed_at|timestamptz|93|35|6|1|null|4|YES day|date|91|13|0|1|null|5|YES",
            () -> Hub.rows(data.getColumns(null, "shop", "orders", "%"), columns));
        Hub.check("columns of every type", "i2|int2|5|5|0|1|null|1|YES i4|int4|4|10|0|1|null|2|YES i8|int8|-5|19|0|1|null|3|YES f4|float4|7|8|8|1|null|4|YES"
            + " f8|float8|8|17|17|1|null|5|YES n|numeric|2|12|3|1|null|6|YES t|text|12|2147483647|0|1|null|7|YES b|bool|-7|1|0|1|null|8|YES"
            + " d|date|91|13|0|1|null|9|YES ts|timestamp|93|29|6|1|null|10|YES tz|timestamptz|93|35|6|1|null|11|YES ba|bytea|-2|2147483647|0|1|null|12|YES"
            + " u|uuid|1111|2147483647|0|1|null|13|YES j|jsonb|1111|2147483647|0|1|null|14|YES",
            () -> Hub.rows(data.getColumns(null, "shop", "kinds", null), columns));
        Hub.check("remarks of a column", "As on the invoice.", () -> Hub.rows(data.getColumns(null, "shop", "customers", "name"), "REMARKS"));
        Hub.check("columns of a view", "id|int8 amount|numeric", () -> Hub.rows(data.getColumns(null, "shop", "big", "%"), "COLUMN_NAME", "TYPE_NAME"));
        Hub.check("columns of a source", "id|int8|NO name|text|YES _rescued_data|jsonb|YES",
            () -> Hub.rows(data.getColumns(null, "shop", "people", "%"), "COLUMN_NAME", "TYPE_NAME", "IS_NULLABLE"));
        Hub.check("columns made by the server", "NO|NO", () -> Hub.rows(data.getColumns(null, "shop", "orders", "id"), "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN"));
    }

    private static void keys(DatabaseMetaData data) {
        Hub.check("primary key", "shop|orders|id|1|orders_pkey",
            () -> Hub.rows(data.getPrimaryKeys(null, "shop", "orders"), "TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        Hub.check("no primary key", "", () -> Hub.rows(data.getPrimaryKeys(null, "shop", "kinds")));
        String[] keys = {"PKTABLE_SCHEM", "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_SCHEM", "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ", "UPDATE_RULE",
            "DELETE_RULE", "FK_NAME", "PK_NAME", "DEFERRABILITY"};
        String key = "shop|customers|id|shop|orders|customer_id|1|3|3|orders_customer_fk|customers_pkey|7";
        Hub.check("imported keys", key, () -> Hub.rows(data.getImportedKeys(null, "shop", "orders"), keys));
        Hub.check("exported keys", key, () -> Hub.rows(data.getExportedKeys(null, "shop", "customers"), keys));
        Hub.check("crossed keys", key, () -> Hub.rows(data.getCrossReference(null, "shop", "customers", null, "shop", "orders"), keys));
        Hub.check("no imported keys", "", () -> Hub.rows(data.getImportedKeys(null, "shop", "kinds")));
        String[] index = {"TABLE_SCHEM", "TABLE_NAME", "NON_UNIQUE", "INDEX_NAME", "TYPE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC"};
        Hub.check("indexes", "shop|customers|f|customers_email_key|3|1|email|A shop|customers|f|customers_pkey|3|1|id|A",
            () -> Hub.rows(data.getIndexInfo(null, "shop", "customers", false, true), index));
        Hub.check("no indexes", "", () -> Hub.rows(data.getIndexInfo(null, "shop", "kinds", false, false)));
        Hub.check("best row identifier", "id|int8", () -> Hub.rows(data.getBestRowIdentifier(null, "shop", "orders", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME", "TYPE_NAME"));
        Hub.check("version columns", "true", () -> Hub.rows(data.getVersionColumns(null, "shop", "orders")).contains("ctid"));
    }

    private static void types(DatabaseMetaData data) {
        Hub.check("types", "true", () -> {
            String all = " " + Hub.rows(data.getTypeInfo(), "TYPE_NAME", "DATA_TYPE", "PRECISION") + " ";
            for (String one : new String[] {"bool|-7|0", "int2|5|0", "int4|4|0", "int8|-5|0", "float4|7|0", "float8|8|0", "numeric|2|1000", "text|12|0",
                "varchar|12|10485760", "bytea|-2|0", "date|91|0", "time|92|6", "timestamp|93|6", "timestamptz|93|6", "uuid|1111|0", "jsonb|1111|0", "_text|2003|0"}) {
                if (!all.contains(" " + one + " ")) {
                    return one + " is not in " + all;
                }
            }
            return true;
        });
        Hub.check("types of users", "", () -> Hub.rows(data.getUDTs(null, "public", "%", null)));
        Hub.check("functions", "true", () -> Hub.rows(data.getFunctions(null, "pg_catalog", "has_table_privilege"), "FUNCTION_NAME").startsWith("has_table_privilege"));
        Hub.check("columns of functions", "true", () -> !Hub.rows(data.getFunctionColumns(null, "pg_catalog", "format_type", "%"), "FUNCTION_NAME").isEmpty());
        Hub.check("procedures", "", () -> Hub.rows(data.getProcedures(null, "shop", "%")));
        Hub.check("columns of procedures", "", () -> Hub.rows(data.getProcedureColumns(null, "shop", "%", "%")));
        Hub.check("super tables", "not implemented", () -> {
            try {
                return Hub.rows(data.getSuperTables(null, "shop", "%"));
            } catch (java.sql.SQLFeatureNotSupportedException error) {
                return "not implemented";
            }
        });
        Hub.check("properties of clients", "true", () -> Hub.rows(data.getClientInfoProperties(), "NAME").startsWith("ApplicationName"));
        Hub.check("keywords", "true", () -> data.getSQLKeywords().contains("ilike"));
        Hub.check("longest name", 63, data::getMaxColumnNameLength);
        Hub.check("default isolation", Connection.TRANSACTION_READ_COMMITTED, data::getDefaultTransactionIsolation);
        Hub.check("functions of numbers", "true", () -> data.getNumericFunctions().contains("abs"));
    }

    private static void rights(DatabaseMetaData data) {
        String[] rights = {"TABLE_NAME", "GRANTOR", "GRANTEE", "PRIVILEGE", "IS_GRANTABLE"};
        Hub.check("privileges of a table", "customers|admin|admin|DELETE|YES customers|admin|admin|INSERT|YES customers|admin|admin|REFERENCES|YES"
            + " customers|admin|admin|SELECT|YES customers|admin|admin|TRIGGER|YES customers|admin|admin|TRUNCATE|YES customers|admin|admin|UPDATE|YES",
            () -> Hub.rows(data.getTablePrivileges(null, "shop", "customers"), rights));
        Hub.check("privileges of a column", "admin|admin|DELETE|YES admin|admin|INSERT|YES admin|admin|REFERENCES|YES admin|admin|SELECT|YES"
            + " admin|admin|TRIGGER|YES admin|admin|TRUNCATE|YES admin|admin|UPDATE|YES",
            () -> Hub.rows(data.getColumnPrivileges(null, "shop", "customers", "name"), "GRANTOR", "GRANTEE", "PRIVILEGE", "IS_GRANTABLE"));
    }

    private static void results(Connection connection) {
        Hub.check("what a result says of its columns", "id|id|int8|orders||0|19|0 much|much|numeric|orders||1|12|2 ?column?|?column?|int8|||2|19|0 ", () -> {
            try (Statement statement = connection.createStatement(); ResultSet set = statement.executeQuery("SELECT id, amount AS much, id + 1 FROM shop.orders")) {
                ResultSetMetaData data = set.getMetaData();
                StringBuilder all = new StringBuilder();
                for (int at = 1; at <= data.getColumnCount(); at++) {
                    all.append(String.join("|", data.getColumnLabel(at), data.getColumnName(at), data.getColumnTypeName(at), data.getTableName(at), data.getSchemaName(at),
                        String.valueOf(data.isNullable(at)), String.valueOf(data.getPrecision(at)), String.valueOf(data.getScale(at)))).append(" ");
                }
                return all;
            }
        });
    }
}
