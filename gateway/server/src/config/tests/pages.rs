//! Checks that every configuration in README.md and docs is valid: readers copy them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::{load_with_provider, repository};

/// A configuration on a page.
struct Block {
    place: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (&mut open, line.trim()) {
                (None, "```toml") => {
                    let place = format!("{}:{}", page.display(), index + 1);
                    open = Some(Block { place, text: String::new() });
                }
                (Some(_), "```") => found.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, _) => {}
            }
        }
    }
    found
}

/// The paths of README.md and of every page below docs.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![repository().join("README.md")];
    let mut open = vec![repository().join("docs")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// Writes certificates, keys and secrets to the paths that a configuration names.
fn write_files(text: &str, folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let authority = authority();
    let issuer = Issuer::from_params(&authority, &key);
    let authority = authority.self_signed(&key).unwrap().pem();
    let certificate = CertificateParams::new(["gateway.example".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap().pem();
    for (number, name) in text.split('"').skip(1).step_by(2).enumerate() {
        let path = folder.join(name);
        let content = match name.rsplit(['.', '/']).next().unwrap_or_default() {
            _ if name.ends_with("callers.pem") || name.ends_with("operators.pem") => authority.clone(),
            "pem" | "crt" => certificate.clone(),
            "key" => key.serialize_pem(),
            "crl" => revoked(&issuer),
            "event-database" => "postgres://user:password@localhost/events".to_owned(),
            // 64 hexadecimal digits are a valid key, secret and token. Each differs, since equal tokens are refused.
            _ if Path::new(name).starts_with(folder) => format!("{number:064x}"),
            _ => continue,
        };
        fs::write(path, content).unwrap();
    }
}

fn authority() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
}

fn revoked(issuer: &Issuer<'_, &KeyPair>) -> String {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).unwrap().pem().unwrap()
}

/// Runs `check` on a configuration, with the files that it names. Returns the number of listeners or the problems.
fn checked(text: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let own = format!("{}/", folder.path().display());
    let text = text.replace("/run/secrets/", &own).replace("/etc/kyc-gateway/", &own);
    write_files(&text, folder.path());
    let file = folder.path().join("gateway.toml");
    fs::write(&file, text).unwrap();
    load_with_provider(&file)
        .map(|settings| settings.listeners.len())
        .map_err(|problems| problems.to_string())
}

#[test]
fn configurations_on_all_pages_pass_the_check() {
    let blocks = blocks();
    let refused: Vec<String> = blocks
        .iter()
        .filter_map(|block| checked(&block.text).err().map(|problems| format!("{}: {problems}", block.place)))
        .collect();

    assert!(blocks.len() >= 10, "only {} configurations were found", blocks.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The two listeners in README.md had the same port, so a gateway with that configuration did not start.
#[test]
fn readme_configuration_has_two_listeners_with_different_ports() {
    let readme = blocks().into_iter().find(|block| block.place.contains("README.md:")).unwrap();

    assert_eq!(checked(&readme.text), Ok(2));
    let with_one_port = readme.text.replace("10.0.0.5:9443", "10.0.0.5:8443");
    assert_ne!(with_one_port, readme.text);
    assert!(checked(&with_one_port).unwrap_err().contains("is taken by listener"));
}
