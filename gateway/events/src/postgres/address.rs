//! The address of the database, and how much of TLS a connection needs.
//!
//! sqlx, like libpq, does without TLS where the server declines it, so that whoever is on the way, or answers in its
//! place, gets the password (finding M5). Here a server on another machine must show a certificate for its name, unless
//! the address has another `sslmode`. Variables such as `PGSSLMODE` do not change that.

use std::net::IpAddr;
use std::str::FromStr;

use kyc_model::Secret;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Why an address cannot be used. The texts hold no value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL of PostgreSQL, or one of its parts cannot be read.
    #[error(
        "the address must be postgres://user:password@host:port/database, with special characters as %XX"
    )]
    Malformed,
    /// A parameter that sqlx would ignore. One that does not look like a name is not told.
    #[error("the address has an unknown parameter{name}; known are {}", PARAMETERS.join(", "))]
    Unknown {
        /// Its name, quoted.
        name: String,
    },
    /// The mode is none of PostgreSQL's.
    #[error("sslmode in the address must be disable, allow, prefer, require, verify-ca or verify-full")]
    Mode,
}

/// Checks an address; says what an operator should know of it.
///
/// # Errors
///
/// `AddressError`: what is wrong, without a value of the address.
pub fn check(url: &Secret) -> Result<Option<&'static str>, AddressError> {
    let options = options(url)?;
    if is_local(&options) {
        return Ok(None);
    }
    Ok(match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => Some(
            "the database is on another machine and sslmode turns TLS off: everybody on the way can read the password and \
             the events",
        ),
        PgSslMode::Prefer => Some(
            "the database is on another machine and sslmode=prefer does without TLS where the server declines it: whoever \
             answers in its place gets the password",
        ),
        PgSslMode::Require => Some(
            "the database is on another machine and sslmode=require does not check its certificate: whoever answers in its \
             place gets the password",
        ),
        PgSslMode::VerifyCa => Some(
            "the database is on another machine and sslmode=verify-ca does not check the name in its certificate",
        ),
        PgSslMode::VerifyFull => None,
    })
}

/// What a connection is made with.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, AddressError> {
    let parsed = Url::parse(url.reveal()).map_err(|_| AddressError::Malformed)?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(AddressError::Malformed);
    }
    let mut has_mode = false;
    for (key, value) in parsed.query_pairs() {
        let is_option = key.starts_with("options[") && key.ends_with(']');
        if !is_option && !PARAMETERS.contains(&&*key) {
            return Err(AddressError::Unknown { name: quoted(&key) });
        }
        if MODES.contains(&&*key) {
            has_mode = true;
            PgSslMode::from_str(&value).map_err(|_| AddressError::Mode)?;
        }
    }
    // The text of sqlx's error would hold what it could not read.
    let options = PgConnectOptions::from_url(&parsed).map_err(|_| AddressError::Malformed)?;
    Ok(match (has_mode, is_local(&options)) {
        (true, _) => options,
        (false, true) => options.ssl_mode(PgSslMode::Prefer),
        (false, false) => options.ssl_mode(PgSslMode::VerifyFull),
    })
}

/// Says whether the database is behind a socket or a loopback address of this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A key that looks like one; another may be a part of a password with a `?` in it.
fn quoted(key: &str) -> String {
    let is_name = key.len() <= 32 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_name && !key.is_empty() { format!(" `{key}`") } else { String::new() }
}

const MODES: [&str; 2] = ["sslmode", "ssl-mode"];
/// What sqlx 0.9 reads.
const PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "options[NAME]",
    "statement-cache-capacity",
];

#[cfg(test)]
mod tests;
