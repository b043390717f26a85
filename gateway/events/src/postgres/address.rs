//! The address (connection URL) of the database, and the TLS mode of its connections.
//!
//! The default of sqlx and libpq, `sslmode=prefer`, connects without TLS when the server declines it. An attacker on the
//! network path, or a server in place of the database, would get the password. So the default here is `verify-full`: a
//! server on another machine must present a certificate for its name, unless the address sets another `sslmode`.
//! Environment variables such as `PGSSLMODE` do not change that.

use std::net::IpAddr;
use std::str::FromStr;

use kyc_model::Secret;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// An address that cannot be used. The messages contain no value of the address, because it contains the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not a URL of PostgreSQL, or one of its parts cannot be parsed.
    #[error(
        "the address must be postgres://user:password@host:port/database, with special characters as %XX"
    )]
    Malformed,
    /// It has a parameter that sqlx would ignore.
    #[error("the address has an unknown parameter{name}; known are {}", PARAMETERS.join(", "))]
    Unknown {
        /// The quoted name; empty when it does not look like one.
        name: String,
    },
    /// Its `sslmode` is not a mode of PostgreSQL.
    #[error("sslmode in the address must be disable, allow, prefer, require, verify-ca or verify-full")]
    Mode,
}

/// Checks an address. Returns a warning when its TLS mode does not protect the connection.
///
/// # Errors
///
/// `AddressError` when the address cannot be used.
pub fn check_address(url: &Secret) -> Result<Option<&'static str>, AddressError> {
    let options = options(url)?;
    if is_local(&options) {
        return Ok(None);
    }
    Ok(match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => Some(
            "the database is on another machine and sslmode turns TLS off: anyone on the network path can read the \
             password and the events",
        ),
        PgSslMode::Prefer => Some(
            "the database is on another machine and sslmode=prefer connects without TLS when the server declines \
             it: a server in its place gets the password",
        ),
        PgSslMode::Require => Some(
            "the database is on another machine and sslmode=require does not check its certificate: a server in its \
             place gets the password",
        ),
        PgSslMode::VerifyCa => Some(
            "the database is on another machine and sslmode=verify-ca does not check the name in its certificate",
        ),
        PgSslMode::VerifyFull => None,
    })
}

/// Parses an address into connection options; sets the default TLS mode when the address has none.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, AddressError> {
    let parsed = Url::parse(url.reveal()).map_err(|_| AddressError::Malformed)?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(AddressError::Malformed);
    }
    let mut has_mode = false;
    for (key, value) in parsed.query_pairs() {
        let is_option = key.starts_with("options[") && key.ends_with(']');
        if !is_option && !PARAMETERS.contains(&&*key) {
            return Err(AddressError::Unknown { name: quote_name(&key) });
        }
        if MODES.contains(&&*key) {
            has_mode = true;
            PgSslMode::from_str(&value).map_err(|_| AddressError::Mode)?;
        }
    }
    // The message of sqlx would contain the value that it could not parse, which may be the password.
    let options = PgConnectOptions::from_url(&parsed).map_err(|_| AddressError::Malformed)?;
    Ok(match (has_mode, is_local(&options)) {
        (true, _) => options,
        (false, true) => options.ssl_mode(PgSslMode::Prefer),
        (false, false) => options.ssl_mode(PgSslMode::VerifyFull),
    })
}

/// Returns whether the database is on this machine: behind a Unix socket or a loopback address.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Quotes a key that looks like a parameter name. Any other may be part of a password that contains a `?`, and is left out.
fn quote_name(key: &str) -> String {
    let is_name = key.len() <= 32 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_name && !key.is_empty() { format!(" `{key}`") } else { String::new() }
}

/// The names of the parameter for the TLS mode.
const MODES: [&str; 2] = ["sslmode", "ssl-mode"];
/// The parameters that sqlx 0.9 reads; it ignores others without an error.
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
