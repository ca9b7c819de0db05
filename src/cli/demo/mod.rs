//! `weir demo`: a hub of its own in a temporary folder, a made-up shop, and a tour of what the hub does with it.
//!
//! The tour is the scripts of `sql/demo`, sent over the wire like any client would; their comments say which counts must come out. With
//! `WEIR_DEMO_EXIT=1` the command ends after the tour, and fails when a count was off.

mod grid;
mod script;
mod shop;
mod tour;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::admin::FirstPassword;
use super::args::{DemoArgs, print};
use super::serve::{Stop, runtime};
use super::serving::Serving;
use crate::clock::Clock;
use crate::config::{self, Config, Layers};
use crate::error::{Code, Error, Result};
use crate::observe;

/// The tour, in order.
static SCRIPTS: &[(&str, &str)] = &[
    ("1-sources.sql", include_str!("../../../sql/demo/1-sources.sql")),
    ("2-pipelines.sql", include_str!("../../../sql/demo/2-pipelines.sql")),
    ("3-next-day.sql", include_str!("../../../sql/demo/3-next-day.sql")),
    ("4-repair.sql", include_str!("../../../sql/demo/4-repair.sql")),
    ("5-history.sql", include_str!("../../../sql/demo/5-history.sql")),
    ("6-lineage.sql", include_str!("../../../sql/demo/6-lineage.sql")),
    ("7-by-itself.sql", include_str!("../../../sql/demo/7-by-itself.sql")),
];

pub(super) fn demo(args: &DemoArgs) -> Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("weir-demo-")
        .tempdir()
        .map_err(|e| Error::new(Code::Io, "cannot make a temporary folder").caused_by(e))?;
    let config = Config::load(&layers(args, folder.path()))?;
    observe::init(&config)?;
    let runtime = runtime(config.workers)?;
    let done = runtime.block_on(run(config, folder.path(), args.pg.is_none()));
    runtime.shutdown_timeout(Duration::from_millis(200));
    // Removing can only fail when somebody else holds or changed it; the folder lies among temporary files anyway.
    let _ = folder.close();
    done
}

/// A short log, a private lake, and nothing of the user's own settings but where to listen.
fn layers(args: &DemoArgs, folder: &Path) -> Layers {
    let data_dir = folder.join("data").to_string_lossy().into_owned();
    let mut flags = vec![
        ("data_dir".to_owned(), data_dir),
        ("log.level".to_owned(), config::variable("WEIR_DEMO_LOG").unwrap_or_else(|| "error".to_owned())),
    ];
    if let Some(address) = &args.pg {
        flags.push(("pg.listen".to_owned(), address.clone()));
    }
    Layers { file: None, environment: Vec::new(), flags }
}

async fn run(mut config: Config, folder: &Path, any_port: bool) -> Result<ExitCode> {
    let mut stop = Stop::new()?;
    if any_port {
        free(&mut config.pg_addr).await;
    }
    free(&mut config.http_addr).await;
    let clock = Clock::real();
    let serving = Serving::start(config, clock.clone()).await?;
    let toured = tokio::select! {
        toured = show(&serving, folder, clock) => toured,
        () = stop.asked() => Ok(0),
    };
    let off = match toured {
        Ok(off) => off,
        Err(e) => {
            serving.drain().await;
            return Err(e);
        }
    };
    if config::variable("WEIR_DEMO_EXIT").is_some_and(|value| value == "1") {
        serving.drain().await;
        let text =
            if off == 0 { "\nEvery step came out as expected.\n".to_owned() } else { format!("\n{off} expectations did not hold.\n") };
        print(&text)?;
        return Ok(if off == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    stop.asked().await;
    print("\nStopping.\n")?;
    tokio::select! {
        () = serving.drain() => Ok(ExitCode::SUCCESS),
        () = stop.asked() => Ok(ExitCode::FAILURE),
    }
}

/// Another hub may run on this machine: then any free port will do.
async fn free(address: &mut SocketAddr) {
    if tokio::net::TcpListener::bind(*address).await.is_err() {
        address.set_port(0);
    }
}

/// Writes the shop, gives the tour, says how to go on. Returns how many expectations did not hold.
async fn show(serving: &Serving, folder: &Path, clock: Clock) -> Result<usize> {
    let FirstPassword::Generated { password, .. } = serving.first_password() else {
        return Err(Error::internal("a new hub has no generated password"));
    };
    let shop = folder.join("shop");
    let waiting = folder.join("waiting");
    shop::write(&waiting).map_err(|e| Error::new(Code::Io, "cannot write the files of the shop").caused_by(e))?;
    std::fs::create_dir_all(&shop).map_err(|e| Error::new(Code::Io, "cannot make the folder of the shop").caused_by(e))?;

    let mut tour = tour::Tour::connect(serving.pg_addr(), password, &shop, &waiting, clock).await?;
    for (name, text) in SCRIPTS {
        tour.give(name, text).await?;
    }
    let off = tour.off();
    tour.close().await;
    print(&format!(
        "\n{line}\nThe hub is running. In another terminal:\n\n  PGPASSWORD={password} {psql}\n\nThe shop's files are in {shop}; \
         drop another orders file there and look again.\nCtrl-C ends the hub and removes the folder.\n{line}\n",
        line = "=".repeat(78),
        password = password.reveal(),
        psql = serving.psql(),
        shop = shop.display(),
    ))?;
    Ok(off)
}
