//! Layers, unknown keys and values of the configuration.

use std::io::Write;
use std::time::Duration;

use super::value::{duration, size_bytes};
use super::*;

fn layers(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> (Layers, Option<tempfile::NamedTempFile>) {
    let kept = file.map(|text| {
        let mut kept = tempfile::NamedTempFile::new().unwrap();
        kept.write_all(text.as_bytes()).unwrap();
        kept
    });
    let pairs = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let file = kept.as_ref().map(|kept| kept.path().to_path_buf());
    (Layers { file, environment: pairs(environment), flags: pairs(flags) }, kept)
}

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> crate::error::Result<Config> {
    let (layers, _kept) = layers(file, environment, flags);
    Config::load(&layers)
}

#[test]
fn later_layers_win() {
    let file = "data_dir = \"/f\"\nmemory_limit = \"2GiB\"\nworkers = 3\n[pg]\nlisten = \"127.0.0.1:1\"\n";
    let config = load(Some(file), &[("WEIR_PG_LISTEN", "127.0.0.1:2"), ("WEIR_WORKERS", "4")], &[("pg.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(config.pg_addr.port(), 3);
    assert_eq!(config.workers, 4);
    assert_eq!(config.memory_limit, 2 << 30);
    assert_eq!(config.http_addr.port(), 7480);
    assert_eq!(config.lake, "/f/lake");
}

#[test]
fn unknown_keys_are_refused_with_place_and_neighbour() {
    let e = load(Some("data_dir = \"/f\"\n[pg]\n\nlissen = \"x\"\n"), &[], &[]).unwrap_err();
    assert!(e.message().contains("unknown configuration key pg.lissen"), "{e}");
    assert!(e.message().ends_with("line 4"), "{e}");
    assert_eq!(e.hint_text(), Some("Did you mean pg.listen?"));

    let e = load(Some("[htpp]\nlisten = \"x\"\n"), &[], &[]).unwrap_err();
    assert!(e.message().contains("unknown configuration key htpp"), "{e}");

    let e = load(None, &[("WEIR_DATA_DIRR", "/x")], &[]).unwrap_err();
    assert_eq!(e.message(), "unknown environment variable WEIR_DATA_DIRR");
    assert_eq!(e.hint_text(), Some("Did you mean WEIR_DATA_DIR?"));
}

#[test]
fn variables_of_others_are_left_alone() {
    let environment =
        [("WEIR_PORT_7432_TCP", "tcp://10.0.0.1"), ("WEIR_SERVICE_HOST", "x"), ("WEIR_TEST_POSTGRES", "y"), ("HOME", "/root")];
    load(None, &environment, &[("data_dir", "/x")]).unwrap();
}

#[test]
fn bad_values_say_what_is_expected() {
    for (key, value, words) in [
        ("pg.listen", "localhost", "127.0.0.1:7432"),
        ("workers", "0", "above zero"),
        ("memory_limit", "much", "512MiB"),
        ("log.format", "xml", "human, json"),
        ("drain_timeout", "5 fortnights", "30s"),
        ("lake", " ", "empty"),
    ] {
        let e = load(None, &[], &[("data_dir", "/x"), (key, value)]).unwrap_err();
        assert!(e.message().contains(words), "{key}: {e}");
    }
    let e = load(Some("data_dir = 'a'\nworkers = [1]\n"), &[], &[]).unwrap_err();
    assert!(e.message().contains("line 2"), "{e}");
    let e = load(Some("data_dir = 'a'\nworkers =\n"), &[], &[]).unwrap_err();
    assert!(e.message().contains("line 2 is not TOML"), "{e}");
}

#[test]
fn half_a_certificate_and_no_folder_are_refused() {
    assert!(load(None, &[], &[]).unwrap_err().hint_text().unwrap().contains("--data-dir"));
    let e = load(None, &[], &[("data_dir", "/x"), ("pg.tls_cert", "/c.pem")]).unwrap_err();
    assert_eq!(e.message(), "pg.tls_cert is set but pg.tls_key is not");
    let with = |more: &[(&'static str, &'static str)]| {
        let pair = [("data_dir", "/x"), ("pg.tls_cert", "/c.pem"), ("pg.tls_key", "/k.pem")];
        load(None, &[], &[&pair[..], more].concat())
    };
    assert_eq!(with(&[]).unwrap().tls.unwrap().mode, super::TlsMode::Require);
    assert_eq!(with(&[("pg.tls_mode", "off")]).unwrap().tls, None);
    assert_eq!(with(&[("pg.tls_client_ca", "/ca.pem")]).unwrap().tls.unwrap().client_ca, Some("/ca.pem".into()));
    let e = with(&[("pg.tls_client_ca", "/ca.pem"), ("pg.tls_mode", "prefer")]).unwrap_err();
    assert_eq!(e.message(), "pg.tls_client_ca needs TLS on every connection");
}

#[test]
fn sizes_and_times() {
    assert_eq!(size_bytes("512 MiB"), Ok(512 << 20));
    assert_eq!(size_bytes("2GB"), Ok(2_000_000_000));
    assert_eq!(size_bytes("7"), Ok(7));
    assert!(size_bytes("99999999999999 TB").is_err());
    assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
    assert_eq!(duration("2 min"), Ok(Duration::from_secs(120)));
    assert!(duration("-1s").is_err());
}

#[test]
fn a_password_does_not_print_itself() {
    let config = load(None, &[("WEIR_ADMIN_PASSWORD", "hunter2hunter2")], &[("data_dir", "/x")]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.admin_password.unwrap().reveal(), "hunter2hunter2");
}

#[test]
fn the_packaged_file_is_a_good_example() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/weir.toml");
    let config = Config::load(&Layers { file: Some(file), ..Layers::default() }).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("/var/lib/weir"));
    assert_eq!(config.tls, None);
}
