//! `COPY PIPELINE name [(arguments)] FROM STDIN [WITH (..)]`
//!
//! Runs the pipeline once, on the file that the client sends, and answers when the run is over. The file goes to disk as it comes. `COPY n`
//! counts its records; what became of them is said in notices.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use weir_catalog::{Kind, Object, Upload};
use weir_sql::statements::create_source;
use weir_sql::{Argument, Name, OptionEntry, OptionValue, Options, Privilege};

use super::names;
use crate::engine::{UPLOAD_ID, definition};
use crate::error::{Code, Error, Result};
use crate::formats;
use crate::pipelines::{CopyRequest, RunReport};
use crate::session::{CopyFile, Notice, Outcome, Session};
use crate::spec::{Opt, Spec};
use crate::stores::{Compression, Spooled, Spooling};

/// Pieces that may wait between the client and the disk.
const WAITING_PIECES: usize = 4;

pub(super) static SPEC: Spec = Spec {
    name: "COPY PIPELINE",
    summary: "Options of COPY PIPELINE; beside them stand those of the format.",
    options: &[
        Opt::text("format").doc("csv, json, ndjson or parquet; by default, with its options, that of the source."),
        Opt::text("source").doc("The stream that the file stands for, where the pipeline reads several."),
        Opt::text("name").default("upload").doc("What the column _source and the dead letters call the file."),
        Opt::size("max_size").default("10 GB").doc("A larger file is refused."),
        Opt::choice("compression", &["auto", "none", "gzip", "zstd"]).default("auto").doc("auto goes by the name."),
        Opt::size("max_decompressed").doc("How large the file may grow; by default 200 times its size and at most 64 GiB."),
    ],
};

pub(super) async fn execute(session: &Session, name: &Name, arguments: &[Argument], options: &Options) -> Result<Outcome> {
    let definitions = session.definitions();
    let pipeline = names::with(session, &*definitions, Kind::Pipeline, name, Privilege::Execute)?;
    if session.in_block() {
        let message = "COPY PIPELINE cannot run inside a transaction block";
        return Err(Error::new(Code::ActiveTransaction, message).at(name.position()));
    }
    let runner = Arc::clone(session.hub().runner());
    let source = runner.check_copy(&pipeline, arguments, text_of(options, "source")).await?;
    let (upload, most_bytes) = read(options, &source).map_err(|error| match error.position() {
        Some(_) => error,
        None => error.at(name.position()),
    })?;
    let is_binary = is_binary(&upload);
    let spooling = runner.spool().create(most_bytes)?;
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let keeping = tokio::task::spawn_blocking(move || keep(spooling, receiver));
    let (arguments, scope, notices) = (arguments.to_vec(), session.scope(Vec::new()), session.later_notices());
    let done = async move {
        let file = on_disk(keeping).await?;
        let report = runner.copy(CopyRequest { pipeline, arguments, source, upload, file, scope }).await?;
        tell(&report, notices.as_deref());
        Ok(format!("COPY {}", report.records))
    };
    Ok(Outcome::CopyFile(CopyFile { is_binary, bytes: sender, done: done.boxed() }))
}

/// Writes what comes until nobody sends any more, on a thread that may wait for the disk.
fn keep(mut spooling: Spooling, mut pieces: mpsc::Receiver<Bytes>) -> Result<Spooling> {
    while let Some(piece) = pieces.blocking_recv() {
        spooling.write(&piece)?;
    }
    Ok(spooling)
}

/// The whole file, once it is durable. Given up before, it is removed.
async fn on_disk(keeping: tokio::task::JoinHandle<Result<Spooling>>) -> Result<Spooled> {
    let gone = |error| Error::internal("the writing of a file ended early").caused_by(error);
    let spooling = keeping.await.map_err(gone)??;
    tokio::task::spawn_blocking(move || spooling.finish()).await.map_err(gone)?
}

fn tell(report: &RunReport, notices: Option<&Mutex<Vec<Notice>>>) {
    let Some(notices) = notices else { return };
    let (run, counts) = (&report.run, &report.run.counts);
    let mut said: Vec<Notice> = report.notices.iter().map(|said| Notice::new("00000", said.clone())).collect();
    said.push(Notice::new("00000", format!("run {}: {} records read, {} rows written", run.run_id, report.records, counts.written)));
    if counts.quarantined > 0 {
        let hint = format!("SELECT rule, error, record, raw FROM hub.dead_letters WHERE run_id = '{}'", run.run_id);
        said.push(Notice { hint: Some(hint), ..Notice::new("00000", format!("{} quarantined", counts.quarantined)) });
    }
    if counts.dropped > 0 {
        let hint = format!("SELECT rule, failed FROM hub.rule_results WHERE run_id = '{}'", run.run_id);
        said.push(Notice { hint: Some(hint), ..Notice::new("00000", format!("{} dropped", counts.dropped)) });
    }
    notices.lock().extend(said);
}

/// How the file is to be read, and how large it may be.
///
/// Without FORMAT it is read as the source reads its own files, with whatever else is written here changed. With FORMAT only what is written
/// here counts, and as in PostgreSQL there is a header only where HEADER says so.
fn read(options: &Options, source: &Object) -> Result<(Upload, u64)> {
    let own = |entry: &&OptionEntry| SPEC.options.iter().any(|option| option.key == entry.key);
    let (mut entries, word) = match text_of(options, "format") {
        Some(word) => {
            let word = word.to_ascii_lowercase();
            (if word == "csv" { vec![entry("header", "false")] } else { Vec::new() }, word)
        }
        None => of_source(source)?,
    };
    let format = formats::format(&word).ok_or_else(|| unknown(&word))?;
    for written in options.entries.iter().filter(|entry| !own(entry)) {
        entries.retain(|known| known.key != written.key);
        entries.push(written.clone());
    }
    let keys = |entry: &&OptionEntry| !own(entry);
    let all = options.entries.iter().filter(|entry| own(entry)).chain(entries.iter().filter(keys)).cloned().collect();
    let checked = Spec::read_all(&[&SPEC, format.spec()], &Options { entries: all })?;
    let mut texts = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (OptionValue::Text(text) | OptionValue::Number(text)) = &entry.value else {
            if let OptionValue::Bool(flag) = entry.value {
                texts.push((entry.key.clone(), flag.to_string()));
                continue;
            }
            return Err(Error::new(Code::InvalidOption, format!("option \"{}\" takes one value", entry.key)).at(entry.position));
        };
        texts.push((entry.key.clone(), text.clone()));
    }
    // What does not go together is said before anything is sent.
    format.open(&checked)?;
    let upload = Upload {
        name: checked.text("name").unwrap_or("upload").to_owned(),
        file: String::new(),
        bytes: 0,
        format: word,
        options: texts,
        compression: checked.text("compression").unwrap_or("auto").to_owned(),
        max_decompressed: checked.size("max_decompressed"),
        columns: None,
        pipeline: None,
        layout: None,
    };
    Ok((upload, checked.size("max_size").unwrap_or(u64::MAX)))
}

/// The format of the source, with its options.
fn of_source(source: &Object) -> Result<(Vec<OptionEntry>, String)> {
    let format = if source.id == UPLOAD_ID { None } else { definition::source(source)?.format };
    match format {
        Some(create_source::Format { name, options }) => Ok((options.entries, name.value)),
        None if source.id == UPLOAD_ID => {
            Err(Error::new(Code::InvalidOption, "COPY PIPELINE needs FORMAT").hint(format!("WITH (FORMAT csv, HEADER). {}", one_of())))
        }
        None => Err(Error::new(Code::InvalidOption, "COPY PIPELINE needs FORMAT")
            .detail(format!("The source \"{}\" has none that the file could be read by.", source.full_name()))
            .hint(format!("WITH (FORMAT csv, HEADER). {}", one_of()))),
    }
}

fn entry(key: &str, value: &str) -> OptionEntry {
    OptionEntry { key: key.to_owned(), position: 1, value: OptionValue::Text(value.to_owned()), value_position: 1 }
}

fn text_of<'a>(options: &'a Options, key: &str) -> Option<&'a str> {
    match &options.get(key)?.value {
        OptionValue::Text(text) => Some(text),
        _ => None,
    }
}

fn unknown(word: &str) -> Error {
    Error::new(Code::InvalidParameter, format!("COPY PIPELINE format \"{word}\" not recognized")).hint(one_of())
}

fn one_of() -> String {
    format!("One of {}.", formats::FORMATS.iter().map(|format| format.spec().name).collect::<Vec<_>>().join(", "))
}

/// Whether programs that take text for lines would spoil it.
fn is_binary(upload: &Upload) -> bool {
    let encoding = upload.options.iter().find(|(key, _)| key == "encoding").map(|(_, word)| word.to_ascii_lowercase());
    let is_wide = encoding.is_some_and(|word| word.starts_with("utf16") || word.starts_with("utf-16"));
    let is_packed = Compression::of(&upload.compression, &upload.name) != Compression::None;
    upload.format == "parquet" || is_wide || is_packed
}
