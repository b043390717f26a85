mod documentation;
mod pages;
mod reading;

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{Purpose, load};
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;
use crate::plugins::built_in::built_in;

#[test]
fn error_messages_match_the_golden_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden");
    let mut cases = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = file.file_name().unwrap().to_owned();
        let found = load_with_provider(&file).err().map(|problems| problems.to_string()).unwrap_or_default();
        let found = found.replace(&golden.display().to_string(), "golden") + "\n";

        let expected_file = file.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected_file, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_file).unwrap();
        assert_eq!(found, expected, "{}", name.display());
        cases += 1;
    }
    assert!(cases >= 6, "only {cases} golden files were read");
}

fn load_with_provider(file: &Path) -> Result<super::Settings, Problems> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    load(file, &built_in(), &BuildContext::new().unwrap(), Purpose::Check)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `check` called an expired certificate a warning, and the configuration valid.
#[test]
fn expired_certificate_is_refused_by_check_and_a_warning_for_a_running_gateway() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (mut params, key) =
        (CertificateParams::new(["gateway.test".to_owned()]).unwrap(), KeyPair::generate().unwrap());
    params.not_after = date_time_ymd(2001, 1, 1);
    params.not_before = date_time_ymd(2000, 1, 1);
    fs::write(folder.path().join("gateway.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.path().join("gateway.key"), key.serialize_pem()).unwrap();
    let file = folder.path().join("gateway.toml");
    let text = "[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n\
                tls = { certificate_file = \"gateway.pem\", key_file = \"gateway.key\" }\n";
    fs::write(&file, text).unwrap();
    let of = |purpose| {
        let build_context = BuildContext::new().unwrap();
        let loaded = load(&file, &built_in(), &build_context, purpose).map(drop);
        (loaded.map_err(|problems| problems.to_string()), build_context.warnings.take())
    };

    let (checked, _) = of(Purpose::Check);
    let (used, warned) = of(Purpose::Use);

    let place = "listeners[0].tls.certificate_file: ";
    let checked = checked.unwrap_err();
    assert!(checked.contains(place) && checked.contains("expired at 2001-01-01T00:00:00Z"), "{checked}");
    assert!(used.is_ok() && warned.iter().any(|text| text.starts_with(place)), "{warned:?}");
}

#[test]
fn configuration_without_a_route_for_notifications_is_a_warning() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let route = "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n\
                 plugins = [{ plugin = \"subscription\" }, { plugin = \"onfido\" }]\n";

    for (text, is_warning) in [("", false), (route, true)] {
        fs::write(&file, text).unwrap();
        let build_context = BuildContext::new().unwrap();
        assert!(load(&file, &built_in(), &build_context, Purpose::Check).is_ok(), "{text}");

        let warned = build_context.warnings.take();
        let about = warned.iter().any(|text| text.starts_with("routes: none has the plugin `webhook`"));
        assert_eq!(about, is_warning, "{warned:?}");
    }
}

/// The gateway gave no warning when a metrics token was sent unencrypted to an address that other machines can reach.
#[test]
fn metrics_token_without_tls_on_a_public_address_is_a_warning() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "token-of-the-scraper").unwrap();
    let file = folder.path().join("gateway.toml");

    for (address, is_warning) in
        [("127.0.0.1:9464", false), ("[::1]:9464", false), ("0.0.0.0:9464", true), ("10.0.0.1:9464", true)]
    {
        let text = format!("[admin]\naddress = \"{address}\"\nmetrics_token_file = \"token\"\n");
        fs::write(&file, text).unwrap();
        let build_context = BuildContext::new().unwrap();
        assert!(load(&file, &built_in(), &build_context, Purpose::Check).is_ok(), "{address}");

        let warned = build_context.warnings.take();
        let about = warned.iter().any(|text| text.starts_with("admin.metrics_token_file: "));
        assert_eq!(about, is_warning, "{address}: {warned:?}");
    }
}
