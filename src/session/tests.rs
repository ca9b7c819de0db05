//! What scripts cannot say: values of variables one by one, limits on a clock of the test's own, cursors cut at every place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{Array, Int32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::cursor::{Cursor, Hold};
use super::guard::Guard;
use super::vars::{VARIABLES, Vars};
use crate::clock::Clock;
use crate::error::{Code, Error};

fn set(name: &str, value: &str) -> Result<String, Code> {
    let mut vars = Vars::new("admin").unwrap();
    vars.set(name, &[value.to_owned()]).map_err(|error| error.code())?;
    Ok(vars.show(name).unwrap())
}

#[test]
fn values_are_checked_and_written_in_one_way() {
    for (name, value, expected) in [
        ("statement_timeout", "0", Ok("0")),
        ("statement_timeout", "1500", Ok("1500ms")),
        ("statement_timeout", "60 s", Ok("1min")),
        ("statement_timeout", "2d", Ok("2d")),
        ("statement_timeout", "-1", Err(Code::InvalidParameter)),
        ("statement_timeout", "99999999999999999999", Err(Code::InvalidParameter)),
        ("statement_timeout", "1 year", Err(Code::InvalidParameter)),
        ("TIMEZONE", "utc", Ok("UTC")),
        ("timezone", "america/new_york", Ok("America/New_York")),
        ("timezone", "+02", Ok("+02:00")),
        ("timezone", "-5:30", Ok("-05:30")),
        ("timezone", "+99", Err(Code::InvalidParameter)),
        ("timezone", "é", Err(Code::InvalidParameter)),
        ("datestyle", "iso, ymd", Ok("ISO, YMD")),
        ("datestyle", "iso, dmy", Err(Code::InvalidParameter)),
        ("datestyle", "German", Err(Code::InvalidParameter)),
        ("client_encoding", "utf-8", Ok("UTF8")),
        ("default_transaction_read_only", "TRUE", Ok("on")),
        ("default_transaction_read_only", "maybe", Err(Code::InvalidParameter)),
        ("standard_conforming_strings", "true", Ok("on")),
        ("transaction_isolation", "serializable", Err(Code::InvalidParameter)),
        ("server_version", "1", Err(Code::WrongState)),
        ("hub.as_of", "", Ok("")),
        ("hub.nothing", "1", Err(Code::UndefinedObject)),
        ("nothing", "1", Err(Code::UndefinedObject)),
        ("my.thing", "a b", Ok("a b")),
    ] {
        assert_eq!(set(name, value).as_deref(), expected.as_ref().map(|text| *text), "SET {name} = '{value}'");
    }
}

#[test]
fn a_moment_is_read_in_the_zone_of_the_session() {
    let mut vars = Vars::new("admin").unwrap();
    let as_of = |vars: &mut Vars, text: &str| {
        vars.set("hub.as_of", &[text.to_owned()]).unwrap();
        vars.as_of().unwrap()
    };
    let noon = 1_767_268_800_000_000; // 2026-01-01 12:00 UTC.
    assert_eq!(as_of(&mut vars, "2026-01-01 12:00"), noon);
    assert_eq!(as_of(&mut vars, "2026-01-01 13:00:00+01"), noon);
    assert_eq!(as_of(&mut vars, "2026-01-01T12:00:00Z"), noon);
    assert_eq!(as_of(&mut vars, "2026-01-01"), noon - 12 * 3_600_000_000);
    vars.set("timezone", &["Europe/Madrid".to_owned()]).unwrap();
    assert_eq!(as_of(&mut vars, "2026-01-01 13:00"), noon);
    vars.set("timezone", &["-7".to_owned()]).unwrap();
    assert_eq!(as_of(&mut vars, "2026-01-01 05:00"), noon);
}

#[test]
fn names_of_variables_are_in_order_and_differ() {
    let names: Vec<String> = VARIABLES.iter().map(|variable| variable.name.to_lowercase()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted);
}

#[test]
fn a_reset_goes_back_to_what_the_client_said_when_it_connected() {
    let mut vars = Vars::new("admin").unwrap();
    vars.start_with("application_name", "psql").unwrap();
    vars.set("application_name", &["other".to_owned()]).unwrap();
    vars.reset("application_name").unwrap();
    assert_eq!(vars.show("application_name").unwrap(), "psql");
}

fn batches(sizes: &[i32]) -> SendableRecordBatchStream {
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, false)]));
    let mut next = 0;
    let mut made = Vec::new();
    for size in sizes {
        let values: Int32Array = (next..next + size).collect::<Vec<_>>().into();
        next += size;
        made.push(RecordBatch::try_new(schema.clone(), vec![Arc::new(values)]).map_err(DataFusionError::from));
    }
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(made)))
}

async fn numbers(mut rows: SendableRecordBatchStream) -> Vec<i32> {
    let mut all = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.unwrap();
        let column = batch.column(0).as_any().downcast_ref::<Int32Array>().unwrap();
        all.extend((0..column.len()).map(|row| column.value(row)));
    }
    all
}

#[tokio::test]
async fn a_cursor_hands_out_every_row_once_however_it_is_cut() {
    for step in 1..12 {
        let cursor = Cursor::new(batches(&[3, 0, 4, 1, 2]), Hold::No);
        let mut all = Vec::new();
        loop {
            let rows = numbers(cursor.fetch(Some(step))).await;
            if rows.is_empty() {
                break;
            }
            assert!(rows.len() as u64 <= step);
            all.extend(rows);
        }
        assert_eq!(all, (0..10).collect::<Vec<_>>(), "FETCH {step}");
    }
    assert_eq!(numbers(Cursor::new(batches(&[3, 4]), Hold::No).fetch(None)).await.len(), 7);
}

/// The code of the error that ends the rows.
async fn end(mut rows: SendableRecordBatchStream) -> Option<String> {
    while let Some(batch) = rows.next().await {
        if let Err(DataFusionError::External(error)) = batch {
            assert!(rows.next().await.is_none(), "nothing comes after the error");
            return error.downcast::<Error>().ok().map(|error| format!("{} {}", error.code().sqlstate(), error.message()));
        }
    }
    None
}

fn endless() -> SendableRecordBatchStream {
    let schema = Arc::new(Schema::empty());
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::pending()))
}

#[tokio::test]
async fn rows_end_at_the_cancel_and_fail_the_transaction() {
    let token = CancellationToken::new();
    let failed = Arc::new(AtomicBool::new(false));
    let guard = Guard::new(token.clone(), Clock::test(0), None);
    let rows = guard.rows(endless(), Some(failed.clone()));
    let ended = tokio::spawn(end(rows));
    token.cancel();
    assert_eq!(ended.await.unwrap().as_deref(), Some("57014 canceling statement due to user request"));
    assert!(failed.load(Ordering::Acquire));
}

#[tokio::test]
async fn rows_and_work_end_at_the_deadline() {
    let clock = Clock::test(0);
    let guard = Guard::new(CancellationToken::new(), clock.clone(), Some(Duration::from_millis(5)));
    let ended = tokio::spawn(end(guard.rows(endless(), None)));
    let worked = tokio::spawn(async move { guard.run(std::future::pending::<Result<(), Error>>()).await });
    clock.advance_to(4_999);
    assert!(!ended.is_finished() && !worked.is_finished());
    clock.advance_to(5_000);
    assert_eq!(ended.await.unwrap().as_deref(), Some("57014 canceling statement due to statement timeout"));
    assert_eq!(worked.await.unwrap().unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn work_that_is_done_is_reported_as_done() {
    let token = CancellationToken::new();
    token.cancel();
    let guard = Guard::new(token, Clock::test(0), None);
    assert_eq!(guard.run(async { Ok(7) }).await.unwrap(), 7);
}
