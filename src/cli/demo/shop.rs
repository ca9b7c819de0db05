//! Makes up a small shop: customers, products and orders, the same at every run, with the faults real files have.
//!
//! The faults are placed by hand and few, so that the script can say what must come of each. What is random (names, amounts) changes no count.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Decimal128Array, RecordBatch, StringArray};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use parquet::arrow::ArrowWriter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const SEED: u64 = 20_261_101;
const CUSTOMERS: i64 = 200;
/// Whose line is broken, or whose country breaks a rule: no order of theirs, so each fault counts once.
const FAULTY_CUSTOMERS: [i64; 3] = [57, 119, 140];
/// Signs up on the second day, after the first order.
const LATE_CUSTOMER: i64 = 999;

const FIRST: [&str; 12] = ["Ana", "Bruno", "Chloé", "Dieter", "Elena", "Fátima", "Gio", "Hannah", "Iker", "Jules", "Käthe", "Luís"];
const LAST: [&str; 10] = ["García", "Müller", "Rossi", "Silva", "Dubois", "de Vries", "López", "Schmidt", "O'Neill", "Ferreira"];
const COUNTRIES: [&str; 6] = ["ES", "DE", "FR", "IT", "PT", "NL"];
const PRODUCTS: [(&str, &str); 5] =
    [("mug", "kitchen"), ("lamp", "home"), ("notebook", "office"), ("backpack", "travel"), ("poster", "home")];
const COLOURS: [&str; 8] = ["red", "green", "blue", "black", "white", "yellow", "grey", "violet"];

/// Writes all files into `folder`, where they wait for their turn.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    let mut random = StdRng::seed_from_u64(SEED);
    fs::create_dir_all(folder.join("customers"))?;
    fs::create_dir_all(folder.join("orders"))?;
    fs::create_dir_all(folder.join("products"))?;
    customers(&folder.join("customers/2026-11-01.csv"), &mut random)?;
    late_customer(&folder.join("customers/2026-11-02.csv"))?;
    let prices = products(&folder.join("products/catalogue.parquet"), &mut random)?;
    let orders = Orders { prices };
    orders.first_day(&folder.join("orders/2026-11-01.ndjson"), &mut random)?;
    orders.next_morning(&folder.join("orders/2026-11-02-a.ndjson"), &mut random)?;
    orders.late(&folder.join("orders/2026-11-02-b.ndjson"), &mut random)?;
    orders.third_day(&folder.join("orders/2026-11-03.ndjson"), &mut random)
}

fn pick<'a>(list: &[&'a str], random: &mut StdRng) -> &'a str {
    list.get(random.random_range(0..list.len())).copied().unwrap_or_default()
}

/// As a spreadsheet of a European office saves it: a byte order mark, semicolons, a quoted name here and there.
fn customers(file: &Path, random: &mut StdRng) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    out.write_all(b"\xEF\xBB\xBFid;name;email;country;joined_on;credit_limit\r\n")?;
    for id in 1..=CUSTOMERS {
        let (first, last) = (pick(&FIRST, random), pick(&LAST, random));
        let joined = day(2024, 1, 1) + Duration::days(random.random_range(0..600));
        let limit = random.random_range(1..50) * 100;
        let email = if id == 33 { "call me".to_owned() } else { format!("customer{id}@example.com") };
        let country = if id == 140 { "Spain" } else { pick(&COUNTRIES, random) };
        match id {
            57 => write!(out, "{id};{first} {last};{email};{country};soon;{limit}.00\r\n")?,
            119 => write!(out, "{id};{first} {last};{email}\r\n")?,
            _ if id % 10 == 0 => write!(out, "{id};\"{last}; {first}\";{email};{country};{joined};{limit}.00\r\n")?,
            _ => write!(out, "{id};{first} {last};{email};{country};{joined};{limit}.00\r\n")?,
        }
    }
    // The same customer once more, further down, with a higher limit: the later line is the true one.
    write!(out, "20;Ana García;customer20@example.com;ES;2024-05-05;9900.00\r\n")?;
    out.flush()
}

fn late_customer(file: &Path) -> io::Result<()> {
    let text = format!(
        "\u{feff}id;name;email;country;joined_on;credit_limit\r\n{LATE_CUSTOMER};Zoë Late;zoe@example.com;NL;2026-11-01;500.00\r\n"
    );
    fs::write(file, text)
}

/// Forty products; returns what each costs in cents.
fn products(file: &Path, random: &mut StdRng) -> io::Result<Vec<(String, i64)>> {
    let (mut skus, mut titles, mut categories, mut cents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, (title, category)) in (1..).zip(PRODUCTS) {
        for (letter, colour) in ('A'..).zip(COLOURS) {
            skus.push(format!("{}{number}-{letter}", &title.to_uppercase()));
            titles.push(format!("{colour} {title}"));
            categories.push(category);
            cents.push(random.random_range(300_i64..15_000));
        }
    }
    let prices = Decimal128Array::from_iter_values(cents.iter().map(|cents| i128::from(*cents)))
        .with_precision_and_scale(10, 2)
        .map_err(io::Error::other)?;
    let batch = RecordBatch::try_from_iter([
        ("sku", Arc::new(StringArray::from(skus.clone())) as _),
        ("title", Arc::new(StringArray::from(titles)) as _),
        ("category", Arc::new(StringArray::from(categories)) as _),
        ("price", Arc::new(prices) as _),
    ])
    .map_err(io::Error::other)?;
    let mut writer = ArrowWriter::try_new(File::create(file)?, batch.schema(), None).map_err(io::Error::other)?;
    writer.write(&batch).map_err(io::Error::other)?;
    writer.close().map_err(io::Error::other)?;
    Ok(skus.into_iter().zip(cents).collect())
}

struct Orders {
    prices: Vec<(String, i64)>,
}

impl Orders {
    /// 300 orders. Order 77 was cut off by a crash of the till, order 150 has a negative total, order 200 is of a customer nobody knows yet.
    fn first_day(&self, file: &Path, random: &mut StdRng) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for id in 1..=300 {
            let placed = at(2026, 11, 1) + Duration::minutes(id * 2);
            let mut order = self.order(id, customer(random), placed, placed, "new", random);
            match id {
                77 => {
                    let text = order.to_string();
                    let half = text.split_at_checked(text.len() / 2).map_or("{", |(half, _)| half);
                    writeln!(out, "{half}")?;
                    continue;
                }
                150 => put(&mut order, "total", json!(-12.5)),
                200 => order = self.order(id, LATE_CUSTOMER, placed, placed, "new", random),
                _ => {}
            }
            writeln!(out, "{order}")?;
        }
        out.flush()
    }

    /// 200 new orders; orders 1 to 40 were shipped.
    fn next_morning(&self, file: &Path, random: &mut StdRng) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for id in 301..=500 {
            let placed = at(2026, 11, 2) + Duration::minutes((id - 300) * 3);
            writeln!(out, "{}", self.order(id, customer(random), placed, placed, "new", random))?;
        }
        for id in 1..=40 {
            let (placed, updated) = (at(2026, 11, 1) + Duration::minutes(id * 2), at(2026, 11, 2) + Duration::hours(9));
            writeln!(out, "{}", self.order(id, customer(random), placed, updated, "shipped", random))?;
        }
        out.flush()
    }

    /// 30 orders of the day before that were stuck on a telephone, and ten stale copies: orders 1 to 10 as they were before they shipped.
    fn late(&self, file: &Path, random: &mut StdRng) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for id in 501..=530 {
            let placed = at(2026, 11, 1) + Duration::minutes(id);
            writeln!(out, "{}", self.order(id, customer(random), placed, placed, "new", random))?;
        }
        for id in 1..=10 {
            let placed = at(2026, 11, 1) + Duration::minutes(id * 2);
            writeln!(out, "{}", self.order(id, customer(random), placed, placed, "new", random))?;
        }
        out.flush()
    }

    /// 25 orders, for the pipeline that starts by itself.
    fn third_day(&self, file: &Path, random: &mut StdRng) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for id in 531..=555 {
            let placed = at(2026, 11, 3) + Duration::minutes(id - 530);
            writeln!(out, "{}", self.order(id, customer(random), placed, placed, "new", random))?;
        }
        out.flush()
    }

    fn order(&self, id: i64, customer: i64, placed: DateTime<Utc>, updated: DateTime<Utc>, status: &str, random: &mut StdRng) -> Value {
        let mut lines = Vec::new();
        let mut total = 0_i64;
        for _ in 0..random.random_range(1..4) {
            if let Some((sku, cents)) = self.prices.get(random.random_range(0..self.prices.len().max(1))) {
                let quantity = random.random_range(1..4_i64);
                total += cents * quantity;
                lines.push(json!({ "sku": sku, "qty": quantity, "price": money(*cents) }));
            }
        }
        json!({
            "id": id,
            "customer": { "id": customer, "email": format!("customer{customer}@example.com") },
            "placed_at": placed.to_rfc3339(),
            "updated_at": updated.to_rfc3339(),
            "status": status,
            "total": money(total),
            "lines": lines,
        })
    }
}

fn customer(random: &mut StdRng) -> i64 {
    loop {
        let id = random.random_range(1..=CUSTOMERS);
        if !FAULTY_CUSTOMERS.contains(&id) {
            return id;
        }
    }
}

fn put(order: &mut Value, field: &str, value: Value) {
    if let Some(fields) = order.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// Cents as the number a shop writes: 1299 is 12.99.
fn money(cents: i64) -> f64 {
    cents as f64 / 100.0
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// Eight in the morning, UTC.
fn at(year: i32, month: u32, date: u32) -> DateTime<Utc> {
    day(year, month, date).and_hms_opt(8, 0, 0).unwrap_or_default().and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_the_same_at_every_run() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path()).unwrap();
        write(two.path()).unwrap();
        for file in ["customers/2026-11-01.csv", "orders/2026-11-01.ndjson", "orders/2026-11-02-b.ndjson"] {
            assert_eq!(fs::read(one.path().join(file)).unwrap(), fs::read(two.path().join(file)).unwrap(), "{file}");
        }
        let orders = fs::read_to_string(one.path().join("orders/2026-11-01.ndjson")).unwrap();
        assert_eq!(orders.lines().count(), 300);
        let broken: Vec<usize> =
            (1..).zip(orders.lines()).filter(|(_, line)| serde_json::from_str::<Value>(line).is_err()).map(|(n, _)| n).collect();
        assert_eq!(broken, [77]);
    }
}
