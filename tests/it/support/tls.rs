//! A certificate for `gateway.test`, in files.

use reqwest::Certificate;

/// A self-signed certificate and its key.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    certificate: String,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        super::install_ring();
        let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = made.cert.pem();
        std::fs::write(folder.path().join("certificate.pem"), &certificate).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder, certificate }
    }

    /// What a caller trusts.
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.certificate.as_bytes()).unwrap()
    }

    /// The `tls` key of a listener.
    pub(crate) fn listener_tls(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "tls = {{ certificate_file = \"{folder}/certificate.pem\", key_file = \"{folder}/key.pem\" }}\n"
        )
    }
}
