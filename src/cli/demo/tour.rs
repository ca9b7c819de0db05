//! Gives the tour: sends each statement over the wire, prints what came back, and checks it against what the script expects.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::grid::grid;
use super::script::{Expected, Keep, Piece, fill, read};
use crate::cli::args::print;
use crate::clock::{Clock, Micros};
use crate::config::Password;
use crate::error::{Code, Error, Result};

/// How often a statement that waits for something is asked again.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Tour {
    client: Client,
    connection: JoinHandle<()>,
    clock: Clock,
    shop: PathBuf,
    waiting: PathBuf,
    variables: Vec<(String, String)>,
    sections: usize,
    off: usize,
}

/// The answer to one statement, as text.
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    affected: Option<u64>,
}

impl Tour {
    pub(super) async fn connect(address: SocketAddr, password: &Password, shop: &Path, waiting: &Path, clock: Clock) -> Result<Self> {
        let mut config = tokio_postgres::Config::new();
        config.host(address.ip().to_string()).port(address.port()).user("admin").password(password.reveal()).dbname("weir");
        config.application_name("weir demo");
        let (client, connection) = config.connect(NoTls).await.map_err(|e| failed("cannot connect to the hub", e))?;
        // Ends with the client; `close` waits for it.
        let connection = tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::error!(error = %e, "connection of the demo failed");
            }
        });
        let variables = vec![("shop".to_owned(), shop.to_string_lossy().into_owned())];
        Ok(Self { client, connection, clock, shop: shop.to_owned(), waiting: waiting.to_owned(), variables, sections: 0, off: 0 })
    }

    /// How many expectations did not hold so far.
    pub(super) fn off(&self) -> usize {
        self.off
    }

    /// Says goodbye to the hub.
    pub(super) async fn close(self) {
        drop(self.client);
        if let Err(e) = self.connection.await {
            tracing::error!(error = %e, "connection of the demo ended badly");
        }
    }

    /// Runs one script.
    ///
    /// # Errors
    /// When a statement fails: what follows would make no sense.
    pub(super) async fn give(&mut self, name: &str, text: &str) -> Result<()> {
        let mut after_statement = false;
        for piece in read(text).map_err(|e| Error::internal(format!("{name}: {e}")))? {
            if after_statement && matches!(piece, Piece::Told(_)) {
                print("\n")?;
            }
            after_statement = matches!(piece, Piece::Statement { .. });
            match piece {
                Piece::Title(title) => {
                    self.sections += 1;
                    print(&format!("\n== {}. {title} {}\n", self.sections, "=".repeat(70_usize.saturating_sub(title.chars().count()))))?;
                }
                Piece::Told(text) => print(&format!("{text}\n"))?,
                Piece::Arrives(file) => self.arrive(&file)?,
                Piece::Statement { text, keep, expected, within } => self.statement(name, &text, keep, &expected, within).await?,
            }
        }
        Ok(())
    }

    /// Puts a waiting file of the shop in its place in one step, as a careful sender does.
    fn arrive(&self, file: &str) -> Result<()> {
        let (from, to) = (self.waiting.join(file), self.shop.join(file));
        let moved = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::rename(&from, &to));
        moved.map_err(|e| Error::new(Code::Io, format!("cannot put {file} in its place")).caused_by(e))?;
        print(&format!("\n  [arrives: {file}]\n"))
    }

    async fn statement(&mut self, name: &str, text: &str, keep: Keep, expected: &[Expected], within: Duration) -> Result<()> {
        let filled = fill(text, &self.variables);
        print(&format!("\n  {};\n", filled.replace('\n', "\n  ")))?;
        let started = self.clock.now();
        let spinner = spinner();
        let answer = loop {
            let answer = self.ask(&filled).await.map_err(|e| explain(name, &filled, &e))?;
            if off(&answer, expected).is_empty() || self.since(started) >= within {
                break answer;
            }
            self.clock.sleep(AGAIN).await;
        };
        spinner.finish_and_clear();
        let took = self.since(started);
        if !answer.columns.is_empty() {
            print(&format!("\n{}", grid(&answer.columns, &answer.rows)))?;
        } else if let Some(rows) = answer.affected.filter(|rows| *rows > 0) {
            print(&format!("  {rows} rows changed\n"))?;
        }
        if took > Duration::from_millis(500) {
            print(&format!("  ({:.1} s)\n", took.as_secs_f64()))?;
        }
        for wrong in off(&answer, expected) {
            self.off += 1;
            print(&format!("  !! {name}: {wrong}\n"))?;
        }
        if keep == Keep::Variables {
            self.keep(&answer);
        }
        Ok(())
    }

    fn since(&self, started: Micros) -> Duration {
        Duration::from_micros(u64::try_from(self.clock.now() - started).unwrap_or(0))
    }

    async fn ask(&self, text: &str) -> std::result::Result<Answer, tokio_postgres::Error> {
        let mut answer = Answer { columns: Vec::new(), rows: Vec::new(), affected: None };
        for message in self.client.simple_query(text).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => answer.columns = columns.iter().map(|c| c.name().to_owned()).collect(),
                SimpleQueryMessage::Row(row) => answer.rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
                SimpleQueryMessage::CommandComplete(rows) => answer.affected = Some(rows),
                _ => {}
            }
        }
        Ok(answer)
    }

    fn keep(&mut self, answer: &Answer) {
        if let Some(row) = answer.rows.first() {
            for (column, value) in answer.columns.iter().zip(row) {
                self.variables.retain(|(name, _)| name != column);
                self.variables.push((column.clone(), value.clone().unwrap_or_default()));
            }
        }
    }
}

/// What of the expectations does not hold, in words.
fn off(answer: &Answer, expected: &[Expected]) -> Vec<String> {
    let mut wrong = Vec::new();
    for expectation in expected {
        match expectation {
            Expected::Rows(rows) if *rows != answer.rows.len() => wrong.push(format!("expected {rows} rows, got {}", answer.rows.len())),
            Expected::Rows(_) => {}
            Expected::Value { column, value } => {
                let place = answer.columns.iter().position(|name| name == column);
                let got = place.and_then(|place| answer.rows.first()?.get(place)?.as_deref());
                if got != Some(value.as_str()) {
                    wrong.push(format!("expected {column} = {value}, got {}", got.unwrap_or("nothing")));
                }
            }
        }
    }
    wrong
}

/// Something to look at while a statement runs; nothing when nobody looks.
fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn failed(what: &str, e: tokio_postgres::Error) -> Error {
    Error::new(Code::SourceUnavailable, what).caused_by(e)
}

/// An error of the hub, with what it says besides the message.
fn explain(name: &str, text: &str, e: &tokio_postgres::Error) -> Error {
    let Some(db) = e.as_db_error() else {
        return Error::new(Code::Io, format!("{name}: the hub did not answer: {e}"));
    };
    let mut error = Error::new(Code::Internal, format!("{name}: {} ({})\n  in: {text}", db.message(), db.code().code()));
    if let Some(detail) = db.detail() {
        error = error.detail(detail);
    }
    error.hint(db.hint().map(str::to_owned))
}
