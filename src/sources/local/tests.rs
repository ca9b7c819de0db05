//! A folder read as a source, over a real ledger.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};
use weir_catalog::{ObjectId, Store};
use weir_sql::StatementKind;
use weir_sql::statements::create_source::CreateSource;

use crate::clock::Clock;
use crate::error::{Code, Error};
use crate::sources::connector;
use crate::sources::contract::{BatchLimit, OpenRequest, Range, RawRecord, RejectSink, ScanRequest, Source, StartPoint};

const LIMIT: BatchLimit = BatchLimit { files: 100, bytes: 1 << 30 };
const COLUMNS: &str = "(id bigint NOT NULL, name text)";

struct Fixture {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Fixture {
    fn new() -> Self {
        let store: Arc<dyn Store> = weir_catalog::open_in_memory().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), store }
    }

    /// Writes a file that is `age` seconds old.
    fn put(&self, path: &str, content: impl AsRef<[u8]>, age: u64) {
        let place = self.folder.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, content).unwrap();
        let file = fs::File::options().write(true).open(&place).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    async fn try_source(&self, columns: &str, rest: &str) -> Result<Arc<dyn Source>, Error> {
        let text = format!("CREATE SOURCE s.f {columns} FROM CONNECTION s.c {rest}");
        let definition = definition(&text);
        let local = connector("local").unwrap();
        let root = self.folder.path().to_str().unwrap();
        let connection = local.spec().read(&options(&[("root", root)])).unwrap();
        let options = local.source_spec().read(&definition.options)?;
        local
            .open(OpenRequest {
                source_id: ObjectId(20_000),
                name: "s.f".into(),
                connection,
                options,
                definition,
                found: None,
                store: self.store.clone(),
                clock: Clock::real(),
            })
            .await
    }

    async fn source(&self, columns: &str, rest: &str) -> Arc<dyn Source> {
        self.try_source(columns, rest).await.unwrap()
    }
}

fn options(given: &[(&str, &str)]) -> weir_sql::Options {
    let entry = |(key, value): &(&str, &str)| weir_sql::OptionEntry {
        key: (*key).to_owned(),
        position: 1,
        value: weir_sql::OptionValue::Text((*value).to_owned()),
        value_position: 1,
    };
    weir_sql::Options { entries: given.iter().map(entry).collect() }
}

fn definition(text: &str) -> CreateSource {
    match weir_sql::parse(text).unwrap().remove(0).kind {
        StatementKind::CreateSource(source) => *source,
        other => panic!("{other:?}"),
    }
}

async fn read(source: &Arc<dyn Source>, range: Option<Range>, request: ScanRequest, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let table = source.scan(range, request).await.map_err(|error| error.message().to_owned())?;
    query(table, sql).await.try_collect().await.map_err(|error| error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "the engine lies above this room, and the text is the test's own")]
async fn query(table: Arc<dyn TableProvider>, sql: &str) -> SendableRecordBatchStream {
    let context = SessionContext::new();
    context.register_table("f", table).unwrap();
    context.sql(sql).await.unwrap().execute_stream().await.unwrap()
}

async fn rows(source: &Arc<dyn Source>, range: Option<Range>, request: ScanRequest, sql: &str) -> Vec<String> {
    texts(&read(source, range, request, sql).await.unwrap())
}

fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let options = arrow::util::display::FormatOptions::default().with_null("∅");
        let columns: Vec<_> = batch.columns().iter().map(|c| arrow::util::display::ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn with_sink(partitions: usize) -> (RejectSink, ScanRequest) {
    let sink = RejectSink::default();
    (sink.clone(), ScanRequest { provenance: true, rejects: Some(sink), ordered: true, partitions })
}

#[tokio::test]
async fn reads_incrementally_with_provenance_and_rejects() {
    let fixture = Fixture::new();
    fixture.put("in/a.csv", "id,name\n1,x\nbad,y\n2,z\n", 100);
    fixture.put("in/b.csv", "name,id\np,3\n", 50);
    fixture.put("in/fresh.csv", "id,name\n9,q\n", 0);
    fixture.put("other.csv", "id,name\n8,q\n", 100);
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = 'in/*.csv', settle = '20 s')").await;
    let one = source.next(None, &BatchLimit { files: 1, ..LIMIT }).await.unwrap().unwrap();
    let all = source.next(None, &LIMIT).await.unwrap().unwrap();
    assert_ne!(one, all);
    assert_eq!(source.next(None, &BatchLimit { bytes: 1, ..LIMIT }).await.unwrap().unwrap(), one);
    let (sink, request) = with_sink(2);
    let all_rows = rows(&source, Some(Range { from: None, to: all.clone() }), request, "SELECT * FROM f").await;
    assert_eq!(all_rows, ["1|x|∅|in/a.csv|2", "2|z|∅|in/a.csv|4", "3|p|∅|in/b.csv|2"]);
    let rejects = sink.drain();
    assert_eq!((rejects.len(), sink.read()), (1, 4));
    assert_eq!((rejects[0].source.as_str(), rejects[0].reject.position, rejects[0].reject.rule.as_str()), ("in/a.csv", 3, "type:id"));
    let (_, request) = with_sink(2);
    assert_eq!(rows(&source, Some(Range { from: Some(one), to: all.clone() }), request, "SELECT id FROM f").await, ["3"]);
    assert_eq!(source.next(Some(&all), &LIMIT).await.unwrap(), None);
    assert_eq!(rows(&source, None, ScanRequest::default(), "SELECT count(*) FROM f").await, ["4"]);
    // A new version of a file is read again, the old one no more.
    fixture.put("in/a.csv", "id,name\n7,new\n", 60);
    let newer = source.next(Some(&all), &LIMIT).await.unwrap().unwrap();
    let (_, request) = with_sink(1);
    assert_eq!(rows(&source, Some(Range { from: Some(all), to: newer.clone() }), request, "SELECT name FROM f").await, ["new"]);
    let (_, request) = with_sink(1);
    assert_eq!(rows(&source, Some(Range { from: None, to: newer.clone() }), request, "SELECT id FROM f").await, ["3", "7"]);
    assert_eq!(source.position_at(&StartPoint::Latest).await.unwrap(), Some(newer.clone()));
    assert_eq!(source.position_at(&StartPoint::Earliest).await.unwrap(), None);
    assert!(source.oldest_unread(None).await.unwrap().is_some());
    assert_eq!(source.oldest_unread(Some(&newer)).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_changed_or_went_fails_the_range() {
    let fixture = Fixture::new();
    fixture.put("a.csv", "id,name\n1,x\n", 100);
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '*.csv')").await;
    let to = source.next(None, &LIMIT).await.unwrap().unwrap();
    let range = Some(Range { from: None, to });
    fixture.put("a.csv", "id,name\n1,xy\n", 100);
    let error = read(&source, range.clone(), ScanRequest::default(), "SELECT * FROM f").await.unwrap_err();
    assert!(error.contains("file \"a.csv\" changed"), "{error}");
    fs::remove_file(fixture.folder.path().join("a.csv")).unwrap();
    let error = read(&source, range, with_sink(1).1, "SELECT * FROM f").await.unwrap_err();
    assert!(error.contains("file \"a.csv\" is gone"), "{error}");
}

#[tokio::test]
async fn damaged_archives_cost_themselves() {
    let fixture = Fixture::new();
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (first, second) = (packed("id,name\n1,x\n"), packed("2,y\n"));
    fixture.put("a.csv.gz", [first.clone(), second].concat(), 90);
    let long: String = std::iter::once("id,name\n".to_owned()).chain((0..50_000).map(|i| format!("{i},{}\n", i * 7919 % 10_007))).collect();
    let mut cut = packed(&long);
    cut.truncate(cut.len() - 100);
    fixture.put("b.csv.gz", cut, 80);
    fixture.put("c.csv.zst", zstd::encode_all(&b"id,name\n3,z\n"[..], 1).unwrap(), 70);
    fixture.put("d.csv.gz", packed(&format!("id,name\n4,{}\n", "0".repeat(80 << 20))), 60);
    fixture.put("e.csv", "a;b\n1;2\n", 50);
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '*')").await;
    let to = source.next(None, &LIMIT).await.unwrap().unwrap();
    let (sink, request) = with_sink(2);
    let good = rows(&source, Some(Range { from: None, to }), request, "SELECT id FROM f").await;
    assert_eq!(good, ["1", "2", "3"]);
    // Two partitions read at once: which file fails first is not promised.
    let mut rejects = sink.drain();
    rejects.sort_by(|left, right| left.source.cmp(&right.source));
    assert_eq!(rejects.iter().map(|r| r.source.as_str()).collect::<Vec<_>>(), ["b.csv.gz", "d.csv.gz", "e.csv"]);
    assert!(rejects.iter().all(|reject| reject.reject.rule == "file"));
    assert_eq!(sink.read(), 6);
    let error = read(&source, None, ScanRequest::default(), "SELECT id FROM f").await.unwrap_err();
    assert!(error.contains("b.csv.gz"), "{error}");
}

#[tokio::test]
async fn include_infer_and_projection() {
    let fixture = Fixture::new();
    fixture.put("x/a.csv", "id;amount\n1;1.5\n2;2\n", 100);
    fixture.put("x/b.csv", "id;amount;note\n3;4;hi\n", 90);
    let rest = "FORMAT csv (delimiter = 'auto') INCLUDE FILE AS file_name, LINE AS line_no, RAW WITH (path = '**/*.csv')";
    let source = fixture.source("", rest).await;
    let names: Vec<String> = source.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    assert_eq!(names, ["id Int64", "amount Float64", "note Utf8", "file_name Utf8", "line_no Int64", "raw Binary"]);
    let sql = "SELECT note, line_no, file_name, id FROM f ORDER BY id";
    assert_eq!(rows(&source, None, ScanRequest::default(), sql).await, ["∅|2|x/a.csv|1", "∅|3|x/a.csv|2", "hi|2|x/b.csv|3"]);
    assert_eq!(rows(&source, None, ScanRequest::default(), "SELECT raw FROM f WHERE id = 1").await, [hex("1;1.5")]);
    assert_eq!(rows(&source, None, ScanRequest::default(), "SELECT count(*) FROM f").await, ["3"]);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn many_partitions_give_every_row_once_and_stop_when_dropped() {
    let fixture = Fixture::new();
    for file in 0..4 {
        let mut text = String::from("id,name\n");
        (0..40_000).for_each(|i| text.push_str(&format!("{},{}\n", file * 40_000 + i, "padding to make blocks".repeat(2))));
        fixture.put(&format!("{file}.csv"), text, 100);
    }
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '*.csv')").await;
    for ordered in [true, false] {
        let request = ScanRequest { ordered, partitions: 3, ..ScanRequest::default() };
        let batches = read(&source, None, request, "SELECT id FROM f").await.unwrap();
        let ids: Vec<i64> = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        assert_eq!(ids.len(), 160_000);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 160_000);
        assert!(!ordered || ids.is_sorted());
        assert!(batches.iter().all(|batch| batch.num_rows() <= 32_768));
    }
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let mut stream = query(table, "SELECT id FROM f").await;
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    assert_eq!(rows(&source, None, ScanRequest::default(), "SELECT id FROM f LIMIT 3").await.len(), 3);
}

#[tokio::test]
async fn dead_letters_are_decoded_again_with_the_header_of_their_file() {
    let fixture = Fixture::new();
    fixture.put("a.csv", "name;id\nx;1\ny;oops\n", 100);
    let source = fixture.source(COLUMNS, "FORMAT csv (delimiter = 'auto') WITH (path = '*.csv')").await;
    let letter = |raw: &str, source: &str, position| RawRecord { raw: raw.into(), source: source.into(), position };
    let (sink, request) = with_sink(1);
    let records = vec![letter("y;2", "a.csv", 3), letter("z;still", "a.csv", 4), letter("5,gone", "gone.csv", 7), letter("", "f.csv", 0)];
    let table = source.decode_again(records, request).await.unwrap();
    let good: Vec<RecordBatch> = query(table, "SELECT * FROM f").await.try_collect().await.unwrap();
    let good = texts(&good);
    assert_eq!(good, ["2|y|∅|a.csv|3", "5|gone|∅|gone.csv|7"]);
    let rejects = sink.drain();
    assert_eq!(rejects.iter().map(|r| (r.reject.rule.as_str(), r.reject.position)).collect::<Vec<_>>(), [("type:id", 4), ("file", 0)]);
}

#[tokio::test]
async fn refuses_what_it_cannot_do() {
    let fixture = Fixture::new();
    let cases: &[(&str, &str, Code)] = &[
        ("", "FORMAT csv WITH (path = '*.csv')", Code::DataException),
        (COLUMNS, "FORMAT csv WITH (path = '../*.csv')", Code::InvalidOption),
        (COLUMNS, "FORMAT csv WITH (path = '/etc/passwd')", Code::InvalidOption),
        (COLUMNS, "FORMAT csv WITH (path = '[')", Code::InvalidOption),
        (COLUMNS, "FORMAT cvs WITH (path = 'a')", Code::UndefinedObject),
        (COLUMNS, "WITH (path = 'a')", Code::InvalidDefinition),
        (COLUMNS, "FORMAT csv (delimeter = ';') WITH (path = 'a')", Code::InvalidOption),
        (COLUMNS, "FORMAT csv INCLUDE OFFSET WITH (path = 'a')", Code::InvalidDefinition),
        (COLUMNS, "FORMAT csv INCLUDE FILE AS id WITH (path = 'a')", Code::InvalidDefinition),
        (COLUMNS, "FORMAT csv INCREMENTAL BY id WITH (path = 'a')", Code::InvalidDefinition),
        ("(id interval)", "FORMAT csv WITH (path = 'a')", Code::NotSupported),
        ("(id bigint DEFAULT now())", "FORMAT csv WITH (path = 'a')", Code::InvalidDefinition),
    ];
    for (columns, rest, code) in cases {
        let error = fixture.try_source(columns, rest).await.err().unwrap_or_else(|| panic!("{columns} {rest}"));
        assert_eq!(error.code(), *code, "{columns} {rest}: {error}");
        assert!(error.hint_text().is_some() || error.position().is_some() || *code == Code::InvalidOption, "{error:?}");
    }
}

#[tokio::test]
async fn links_out_of_the_root_are_not_followed() {
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.csv"), "id,name\n1,x\n").unwrap();
    fixture.put("in/a.csv", "id,name\n2,y\n", 100);
    std::os::unix::fs::symlink(outside.path(), fixture.folder.path().join("in/out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), fixture.folder.path().join("in/b.csv")).unwrap();
    std::os::unix::fs::symlink(fixture.folder.path(), fixture.folder.path().join("in/loop")).unwrap();
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '**/*.csv')").await;
    assert_eq!(rows(&source, None, ScanRequest::default(), "SELECT id FROM f").await, ["2"]);
}

#[tokio::test]
async fn a_root_that_is_not_there_is_unavailable() {
    let fixture = Fixture::new();
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '*.csv')").await;
    let root = fixture.folder.path().to_owned();
    drop(fixture.folder);
    assert_eq!(source.next(None, &LIMIT).await.unwrap_err().code(), Code::SourceUnavailable);
    let local = connector("local").unwrap();
    let connection = local.spec().read(&options(&[("root", root.to_str().unwrap())])).unwrap();
    let checks = local.validate(&connection).await;
    assert!(!checks[0].ok && checks[0].detail.contains("cannot be reached"), "{checks:?}");
    let connection = local.spec().read(&options(&[("root", Path::new("/").to_str().unwrap())])).unwrap();
    assert!(local.validate(&connection).await.iter().all(|check| check.ok));
}

#[tokio::test]
async fn ten_thousand_known_files_cost_one_listing() {
    let fixture = Fixture::new();
    for file in 0..10_000 {
        fs::write(fixture.folder.path().join(format!("{file}.csv")), "id\n").unwrap();
    }
    let source = fixture.source(COLUMNS, "FORMAT csv WITH (path = '*.csv', settle = '0 s')").await;
    let to = source.next(None, &BatchLimit { files: 1_000_000, ..LIMIT }).await.unwrap().unwrap();
    assert_eq!(to, serde_json::json!({ "seq": 10_000 }));
    let start = std::time::Instant::now();
    assert_eq!(source.next(Some(&to), &LIMIT).await.unwrap(), None);
    println!("nothing new among 10,000 files: {:?}", start.elapsed());
}

#[tokio::test]
async fn json_and_parquet_files() {
    let fixture = Fixture::new();
    fixture.put("o.json", "{\"orders\": [{\"id\": 1, \"c\": {\"name\": \"x\"}}, {\"id\": \"?\"}, {\"id\": 3}]}", 100);
    fixture.put("o.ndjson.zst", zstd::encode_all(&b"{\"id\": 1}\n{\"id\": 2\n\n{\"id\": 4}\n"[..], 1).unwrap(), 100);
    let columns = "(id bigint NOT NULL, name text PATH '$.c.name', at date DEFAULT '2024-01-01' NULL ON ERROR)";
    let source = fixture.source(columns, "FORMAT json (records = '$.orders[*]') WITH (path = '*.json')").await;
    let (sink, request) = with_sink(1);
    assert_eq!(rows(&source, None, request, "SELECT * FROM f").await, ["1|x|2024-01-01|∅|o.json|1", "3|∅|2024-01-01|∅|o.json|3"]);
    let reject = sink.drain().remove(0);
    let again =
        RawRecord { raw: String::from_utf8(reject.reject.raw).unwrap().replace('?', "2").into(), source: reject.source, position: 2 };
    let (_, request) = with_sink(1);
    let table = source.decode_again(vec![again], request).await.unwrap();
    let good: Vec<RecordBatch> = query(table, "SELECT id, _source_position FROM f").await.try_collect().await.unwrap();
    assert_eq!(texts(&good), ["2|2"]);
    let source = fixture.source(columns, "FORMAT ndjson WITH (path = '*.ndjson.zst')").await;
    let (sink, request) = with_sink(1);
    assert_eq!(rows(&source, None, request, "SELECT id, _source_position FROM f").await, ["1|1", "4|4"]);
    assert_eq!(sink.drain()[0].reject.position, 2);

    let ids: arrow::array::ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let place = fixture.folder.path().join("p.parquet");
    let mut writer = parquet::arrow::ArrowWriter::try_new(fs::File::create(place).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    fixture.put("q.parquet", "PAR1 not really", 100);
    let source = fixture.source("(id bigint NOT NULL)", "FORMAT parquet WITH (path = '*.parquet')").await;
    let (sink, request) = with_sink(2);
    assert_eq!(rows(&source, None, request, "SELECT * FROM f").await, ["1|∅|p.parquet|1"]);
    let mut rules: Vec<String> = sink.drain().into_iter().map(|reject| reject.reject.rule).collect();
    rules.sort();
    assert_eq!(rules, ["file", "not_null:id"]);
}
