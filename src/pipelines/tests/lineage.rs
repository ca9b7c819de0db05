//! Lineage, read off the plans of real SQL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;

use super::super::lineage::columns;

const TABLES: &[(&str, &[&str])] = &[
    ("orders", &["id", "customer", "total", "placed_on"]),
    ("customers", &["id", "name", "country"]),
    ("old_orders", &["id", "customer", "total", "placed_on"]),
];

async fn shop() -> SessionContext {
    let context = SessionContext::new();
    for (table, names) in TABLES {
        let mut fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
        if *table == "orders" {
            fields.push(Field::new("lines", DataType::new_list(DataType::Int64, true), true));
        }
        let empty = MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]]).unwrap();
        context.register_table(TableReference::partial("public", *table), Arc::new(empty)).unwrap();
    }
    let view = plan(&context, "SELECT id, total * 2 AS twice FROM public.orders WHERE placed_on > 0").await;
    context.register_table(TableReference::partial("public", "doubled"), Arc::new(ViewTable::new(view, None))).unwrap();
    context
}

async fn plan(context: &SessionContext, sql: &str) -> LogicalPlan {
    let state = context.state();
    let statement = state.sql_to_statement(sql, &Dialect::PostgreSQL).unwrap();
    state.statement_to_plan(statement).await.unwrap()
}

/// `public.x` of the plan is `shop.x` of the catalog; anything else is no relation.
fn full_name(reference: &TableReference) -> Option<String> {
    (reference.schema() == Some("public")).then(|| format!("shop.{}", reference.table()))
}

/// The edges must be the expected ones: `to <- relation.column how`, then `relation.column how` for the indirect.
async fn edges(sql: &str, expected: &[&str]) {
    let plan = plan(&shop().await, sql).await;
    let mut found: Vec<String> = columns(&plan, &full_name)
        .into_iter()
        .map(|edge| {
            assert_eq!(edge.direct, edge.to_column.is_some(), "{edge:?}");
            let to = edge.to_column.map(|to| format!("{to} <- ")).unwrap_or_default();
            format!("{to}{}.{} {}", edge.from_relation.trim_start_matches("shop."), edge.from_column, edge.transformation)
        })
        .collect();
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{sql}\n{}", plan.display_indent());
}

#[tokio::test]
async fn projections_and_filters() {
    edges("SELECT id, total AS sum FROM public.orders", &["id <- orders.id identity", "sum <- orders.total identity"]).await;
    edges(
        "SELECT id + customer AS x, 1 AS one, CAST(total AS text) AS t FROM public.orders WHERE placed_on > 3 LIMIT 5",
        &["t <- orders.total expression", "x <- orders.customer expression", "x <- orders.id expression", "orders.placed_on filter"],
    )
    .await;
    edges("SELECT x.a FROM (SELECT y.total AS a FROM public.orders AS y) AS x", &["a <- orders.total identity"]).await;
    edges("SELECT a + 1 AS b FROM (VALUES (1)) AS v (a)", &[]).await;
}

#[tokio::test]
async fn joins_of_all_kinds() {
    let both = ["name <- customers.name identity", "total <- orders.total identity", "customers.id join", "orders.customer join"];
    for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
        edges(&format!("SELECT name, total FROM public.orders o {kind} public.customers c ON o.customer = c.id"), &both).await;
    }
    edges(
        "SELECT total FROM public.orders o JOIN public.customers c ON o.customer = c.id AND o.total > c.country",
        &["total <- orders.total identity", "customers.country join", "customers.id join", "orders.customer join", "orders.total join"],
    )
    .await;
    edges("SELECT name, total FROM public.orders, public.customers", &both[..2]).await;
    edges(
        "SELECT id, name FROM public.customers JOIN public.old_orders USING (id)",
        &["id <- customers.id identity", "name <- customers.name identity", "customers.id join", "old_orders.id join"],
    )
    .await;
    for kind in ["LEFT SEMI", "LEFT ANTI"] {
        edges(
            &format!("SELECT o.total FROM public.orders o {kind} JOIN public.customers c ON o.customer = c.id"),
            &["total <- orders.total identity", "customers.id join", "orders.customer join"],
        )
        .await;
    }
    edges(
        "SELECT c.name FROM public.orders o RIGHT SEMI JOIN public.customers c ON o.customer = c.id",
        &["name <- customers.name identity", "customers.id join", "orders.customer join"],
    )
    .await;
    edges(
        "SELECT a.total AS x, b.total AS y FROM public.orders a JOIN public.orders b ON a.id = b.customer",
        &["x <- orders.total identity", "y <- orders.total identity", "orders.customer join", "orders.id join"],
    )
    .await;
}

#[tokio::test]
async fn aggregates_and_windows() {
    edges(
        "SELECT customer, sum(total) AS s, count(*) AS n FROM public.orders GROUP BY customer HAVING max(placed_on) > 1 ORDER BY s",
        &[
            "customer <- orders.customer identity",
            "s <- orders.total aggregate",
            "orders.customer group",
            "orders.placed_on filter",
            "orders.total sort",
        ],
    )
    .await;
    edges(
        "SELECT placed_on / 7 AS week, sum(total) FILTER (WHERE customer > 0) + 1 AS s FROM public.orders GROUP BY 1",
        &["s <- orders.total aggregate", "week <- orders.placed_on expression", "orders.customer filter", "orders.placed_on group"],
    )
    .await;
    edges(
        "SELECT customer, placed_on, sum(total) AS s FROM public.orders GROUP BY ROLLUP (customer, placed_on)",
        &[
            "customer <- orders.customer identity",
            "placed_on <- orders.placed_on identity",
            "s <- orders.total aggregate",
            "orders.customer group",
            "orders.placed_on group",
        ],
    )
    .await;
    edges(
        "SELECT id, sum(total) OVER (PARTITION BY customer ORDER BY placed_on) AS running, row_number() OVER (ORDER BY id) AS n FROM public.orders",
        &[
            "id <- orders.id identity",
            "running <- orders.total aggregate",
            "orders.customer group",
            "orders.id sort",
            "orders.placed_on sort",
        ],
    )
    .await;
}

#[tokio::test]
async fn sets() {
    let direct =
        ["id <- old_orders.id identity", "id <- orders.id identity", "t <- old_orders.total expression", "t <- orders.total identity"];
    edges("SELECT id, total AS t FROM public.orders UNION ALL SELECT id, total + 1 FROM public.old_orders", &direct).await;
    let mut distinct = direct.to_vec();
    distinct.extend(["old_orders.id group", "old_orders.total group", "orders.id group", "orders.total group"]);
    edges("SELECT id, total AS t FROM public.orders UNION SELECT id, total + 1 FROM public.old_orders", &distinct).await;
    edges("SELECT DISTINCT customer FROM public.orders", &["customer <- orders.customer identity", "orders.customer group"]).await;
    edges(
        "SELECT DISTINCT ON (customer) customer, total FROM public.orders ORDER BY customer, placed_on DESC",
        &[
            "customer <- orders.customer identity",
            "total <- orders.total identity",
            "orders.customer group",
            "orders.customer sort",
            "orders.placed_on sort",
        ],
    )
    .await;
    edges(
        "SELECT id FROM public.orders INTERSECT SELECT id FROM public.old_orders",
        &["id <- orders.id identity", "old_orders.id join", "orders.id group", "orders.id join"],
    )
    .await;
}

#[tokio::test]
async fn lists() {
    edges("SELECT id, unnest(lines) AS line FROM public.orders", &["id <- orders.id identity", "line <- orders.lines expression"]).await;
}

#[tokio::test]
async fn subqueries() {
    edges(
        "SELECT id FROM public.orders WHERE customer IN (SELECT id FROM public.customers WHERE country = 1)",
        &["id <- orders.id identity", "customers.country filter", "customers.id filter", "orders.customer filter"],
    )
    .await;
    edges(
        "SELECT id FROM public.orders o WHERE EXISTS (SELECT 1 FROM public.customers c WHERE c.id = o.customer)",
        &["id <- orders.id identity", "customers.id filter", "orders.customer filter"],
    )
    .await;
    edges(
        "SELECT id, (SELECT max(c.name) FROM public.customers c WHERE c.id = o.customer) AS name FROM public.orders o",
        &["id <- orders.id identity", "name <- customers.name aggregate", "customers.id filter", "orders.customer filter"],
    )
    .await;
    edges(
        "SELECT o.id, l.name FROM public.orders o, LATERAL (SELECT c.name FROM public.customers c WHERE c.id = o.customer) AS l",
        &["id <- orders.id identity", "name <- customers.name identity", "customers.id filter", "orders.customer filter"],
    )
    .await;
}

#[tokio::test]
async fn ctes() {
    edges(
        "WITH big AS (SELECT id, total FROM public.orders WHERE total > 100) SELECT a.id, b.total FROM big a JOIN big b ON a.id = b.id",
        &["id <- orders.id identity", "total <- orders.total identity", "orders.id join", "orders.total filter"],
    )
    .await;
    edges(
        "WITH RECURSIVE chain (a, b) AS (
             SELECT id, customer FROM public.orders
             UNION ALL SELECT chain.b, o.total + 1 FROM chain JOIN public.old_orders o ON o.id = chain.a)
         SELECT a FROM chain",
        &[
            "a <- old_orders.total expression",
            "a <- orders.customer identity",
            "a <- orders.id identity",
            "old_orders.id join",
            "old_orders.total join",
            "orders.customer join",
            "orders.id join",
        ],
    )
    .await;
}

#[tokio::test]
async fn views_are_named_and_seen_through() {
    edges(
        "SELECT v.id, twice + 1 AS more FROM public.doubled v",
        &[
            "id <- doubled.id identity",
            "id <- orders.id identity",
            "more <- doubled.twice expression",
            "more <- orders.total expression",
            "orders.placed_on filter",
        ],
    )
    .await;
}

#[tokio::test]
async fn relations_that_are_not_of_the_catalog_give_no_edges() {
    edges("SELECT value AS v FROM generate_series(1, 3)", &[]).await;
}
