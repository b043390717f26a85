mod documentation;
mod reading;

use std::fs;
use std::path::{Path, PathBuf};

use super::load;
use crate::decoding::Problems;
use crate::instruments::Instruments;
use crate::plugins;

#[test]
fn messages_are_as_they_were_agreed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden");
    let mut cases = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = file.file_name().unwrap().to_owned();
        let found = load_with_ring(&file).err().map(|problems| problems.to_string()).unwrap_or_default();
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

fn load_with_ring(file: &Path) -> Result<super::Settings, Problems> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    load(file, &plugins::built_in(), &Instruments::new().unwrap())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
