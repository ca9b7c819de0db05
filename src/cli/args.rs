//! Words of the command line, their help, and the one place where an error becomes an exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::{check, demo, serve};
use crate::config::Layers;
use crate::error::{Code, Error, Result};

/// A data hub in one binary: pipelines are queries, results land in Delta tables, spoken over the Postgres wire.
#[derive(Parser)]
#[command(name = "weir", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub until it is told to stop (SIGTERM, Ctrl-C)
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Show what the hub does: a small shop, made up and loaded in a temporary folder
    ///
    /// Starts a hub of its own, writes files of a made-up shop, loads them with the script in sql/demo, prints what happened at each
    /// step, and stays up so that psql can look around. Ctrl-C ends it and removes the folder.
    Demo(DemoArgs),
    /// Check a script: every statement is parsed and bound, nothing is run
    ///
    /// Prints each error as FILE:LINE:COLUMN with its hint. Exit code 1 when there is any.
    Check(CheckArgs),
}

const SERVE_HELP: &str = "\
Every setting can also stand in the file of --config (TOML) or in the environment; flags win over the environment, the environment \
over the file:
  --pg 0.0.0.0:7432    WEIR_PG_LISTEN=0.0.0.0:7432    [pg] listen = \"0.0.0.0:7432\"
The first start makes the role admin, with the password of WEIR_ADMIN_PASSWORD or a generated one that is printed once.
`weir serve --help-settings` lists all settings.";

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Folder of the hub's state; made when missing
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the PostgreSQL wire [default: 127.0.0.1:7432]
    #[arg(long, value_name = "ADDR")]
    pg: Option<String>,
    /// Address of the HTTP interface [default: 127.0.0.1:7480]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Root of the lake: a folder or URL [default: the folder lake inside the data folder]
    #[arg(long, value_name = "URL")]
    lake: Option<String>,
    /// File with settings (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any other setting, as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// List all settings with their defaults, and stop
    #[arg(long)]
    help_settings: bool,
}

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Address of the PostgreSQL wire [default: 127.0.0.1:7432, or a free port when that one is taken]
    #[arg(long, value_name = "ADDR")]
    pub pg: Option<String>,
    /// Folder with the script of the tour [default: sql/demo, or the copy inside the binary]
    #[arg(long, value_name = "DIR")]
    pub script: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    /// Scripts to check
    #[arg(value_name = "FILE.sql", required = true)]
    pub files: Vec<PathBuf>,
}

impl ServeArgs {
    pub(super) fn wants_settings(&self) -> bool {
        self.help_settings
    }

    /// # Errors
    /// `InvalidParameter` when a `--set` has no `=`.
    pub(super) fn layers(self, environment: Vec<(String, String)>) -> Result<Layers> {
        let Self { data_dir, pg, http, lake, config, settings, help_settings: _ } = self;
        let mut flags = Vec::new();
        for setting in settings {
            let Some((key, value)) = setting.split_once('=') else {
                return Err(Error::new(Code::InvalidParameter, format!("--set {setting:?} is not KEY=VALUE")));
            };
            flags.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        let named = [
            ("data_dir", data_dir.map(|dir| dir.to_string_lossy().into_owned())),
            ("pg.listen", pg),
            ("http.listen", http),
            ("lake", lake),
        ];
        flags.extend(named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Ok(Layers { file: config, environment, flags })
    }
}

/// Runs the program with these arguments (the first is its own name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before anything opens a connection: with two providers in the tree rustls refuses to choose by itself. A second call in one process
    // finds it installed, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            let failed = e.use_stderr();
            // A closed terminal is no reason to fail.
            let _ = e.print();
            return if failed { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Command::Serve(args) => serve::serve(args),
        Command::Demo(args) => demo::demo(&args),
        Command::Check(args) => check::check(&args),
    };
    match done {
        Ok(code) => code,
        Err(e) => {
            report(&e);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with everything that helps to act on it.
fn report(e: &Error) {
    let mut text = format!("weir: {}\n", e.chain());
    for (word, more) in [("detail", e.detail_text()), ("hint", e.hint_text())] {
        if let Some(more) = more {
            text.push_str(&format!("{word}: {more}\n"));
        }
    }
    // Nobody left to read it: the exit code still tells.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints to stdout; a reader that went away ends the command as an error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Error::new(Code::Io, "cannot write to standard output").caused_by(e))
}
