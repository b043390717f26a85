//! Where a configuration came from: the log says which one a process runs with.

use std::path::{Path, PathBuf, absolute};

use sha2::{Digest, Sha256};

/// The file of a configuration and the digest of its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The absolute path.
    pub(crate) file: PathBuf,
    /// SHA-256 of the file, in hexadecimal digits, as `sha256sum` prints it.
    pub(crate) digest: String,
}

// === impl Origin ===

impl Origin {
    pub(super) fn of(file: &Path, text: &str) -> Self {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        // Only an empty path has no absolute one, and no file was read from it.
        Self { file: absolute(file).unwrap_or_default(), digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_what_sha256sum_prints() {
        // printf 'x\n' | sha256sum
        let expected = "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac";

        let origin = Origin::of(Path::new("/etc/gateway.toml"), "x\n");

        assert_eq!((origin.file.to_str(), origin.digest.as_str()), (Some("/etc/gateway.toml"), expected));
    }
}
