//! The parts that know nothing of the hub: generator, checker, doctor.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::hub::Place;
use super::{Generator, Sent};

/// A Python that can import `deltalake`.
pub(super) struct Python(String);

pub(super) struct Verdict {
    pub(super) passed: bool,
    pub(super) text: String,
}

impl Python {
    /// The one that the test services made. Without it the test says so in one line; where services are required that is a failure.
    pub(super) fn find() -> Option<Self> {
        match std::env::var("WEIR_TEST_PYTHON") {
            Ok(program) => Some(Self(program)),
            Err(_) if std::env::var_os("WEIR_TEST_SERVICES").is_some() => panic!("WEIR_TEST_PYTHON is not set"),
            Err(_) => {
                eprintln!("not run: WEIR_TEST_PYTHON is not set (make test sets it, or tests/services/up)");
                None
            }
        }
    }

    /// Starts dropping files.
    pub(super) fn generate(&self, seed: u64, place: &Place) -> Generator {
        let mut command = self.script("generate.py");
        command.arg(seed.to_string()).arg(place.ledger()).arg(place.inbox()).stdin(Stdio::piped()).stdout(Stdio::piped());
        Generator(command.spawn().expect("a generator"))
    }

    /// Asks the generator to end, and for what it sent.
    pub(super) fn finish(&self, mut generator: Generator) -> Sent {
        drop(generator.0.stdin.take());
        let output = generator.0.wait_with_output().expect("the generator's last words");
        assert!(output.status.success(), "the generator failed");
        serde_json::from_slice(&output.stdout).expect("counts of records")
    }

    pub(super) fn generate_files(&self, seed: u64, place: &Place, files: usize) {
        let mut command = self.script("generate.py");
        command.arg(seed.to_string()).arg(place.ledger()).arg(place.inbox()).arg(files.to_string());
        succeeded(&mut command);
    }

    pub(super) fn check(&self, ledger: &Path, lake: &Path, runs: &Path) -> Verdict {
        let output = self.script("check.py").args([ledger, lake, runs]).output().expect("a checker");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Verdict { passed: output.status.success(), text }
    }

    pub(super) fn doctor(&self, what: &str, ledger: &Path, lake: &Path, runs: &Path) {
        succeeded(self.script("doctor.py").arg(what).args([ledger, lake, runs]));
    }

    /// The faults that can be put into a lake, and the words that must report each.
    pub(super) fn faults(&self) -> BTreeMap<String, String> {
        let output = succeeded(self.script("doctor.py").args(["list", "-", "-", "-"]));
        serde_json::from_slice(&output.stdout).expect("a list of faults")
    }

    fn script(&self, name: impl AsRef<OsStr>) -> Command {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/crash");
        let mut command = Command::new(&self.0);
        command.arg(folder.join(name.as_ref())).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

fn succeeded(command: &mut Command) -> Output {
    let output = command.output().expect("python");
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}
