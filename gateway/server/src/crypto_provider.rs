//! The cryptography of TLS, for the whole process.
//!
//! With AES-256 TLS 1.3 derives its keys with SHA-384, which few processors have instructions for: 14 % of the CPU time of a new
//! connection (2026-11-30, AMD EPYC). With AES-128 it uses SHA-256, which most have; Cloudflare and Google prefer AES-128, too. The
//! price is a smaller margin: AES-128 is in NIST's security category 1, ML-KEM-768 of the key exchange in category 3. A peer that
//! offers only AES-256 or ChaCha20 gets it. No setting changes the order or disables ML-KEM (ADR 35).

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Installs the provider; has no effect if the program has installed another one before.
pub(crate) fn install() {
    // The error contains the provider that stays in use.
    let _ = provider().install_default();
}

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // TLS 1.3 before 1.2, and AES-128 first in each. Stable: otherwise the order is that of rustls.
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 1,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 2,
        _ => 3,
    });
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_comes_first_and_no_suite_is_missing() {
        let suites: Vec<CipherSuite> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();

        assert_eq!(
            suites,
            [
                CipherSuite::TLS13_AES_128_GCM_SHA256,
                CipherSuite::TLS13_AES_256_GCM_SHA384,
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ]
        );
    }
}
